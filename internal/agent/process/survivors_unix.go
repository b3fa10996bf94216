//go:build unix

package process

import (
	"fmt"
	"time"
)

func killSurvivors(id Identity, mark string, grace time.Duration) (Survivors, error) {
	if otherBoot(id) {
		return Survivors{}, nil // no process outlives its boot
	}
	if id.PID <= 1 { // 0 and 1 are no leader's, and mean something else to kill(2)
		id = Identity{}
	}
	t := newTree(id, mark, findCgroup(mark))
	defer t.group.remove()
	e := t.stop(grace)
	s := Survivors{Killed: e.killed, Left: describe(e.left), LeftCount: len(e.left)}
	switch {
	case e.err != nil:
	case inCgroupOf(mark):
		e.err = errOwnSession
	case id.PID == 0 && t.group == nil:
		e.err = errUnrecorded
	}
	return s, e.err
}

func errUnproved(all []procStat) error {
	return fmt.Errorf("%s may be of it: nothing that is left shows who started them", processesText(all))
}
