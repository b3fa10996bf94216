//go:build unix

package process

import (
	"errors"
	"time"

	"warren/internal/agent/process/proctree"
)

var errUnrecorded = errors.New("its process id was not recorded, so some of its processes may still run")

func killSurvivors(id proctree.Identity, mark string, grace time.Duration) (Survivors, error) {
	if proctree.IsFromOtherBoot(id) {
		return Survivors{}, nil // no process outlives a boot
	}
	if id.PID <= 1 { // 0 and 1 are never a leader's, and are special for kill(2)
		id = proctree.Identity{}
	}
	group := proctree.FindCgroup(mark)
	defer group.Remove()
	t := proctree.New(id, mark, group, children.sessions)
	e := t.Stop(grace)
	s := Survivors{Killed: e.Killed, Left: proctree.Describe(e.Left), LeftCount: len(e.Left)}
	switch {
	case e.Err != nil:
	case proctree.InCgroupOf(mark):
		e.Err = proctree.ErrOwnSession
	case id.PID == 0 && group == nil:
		e.Err = errUnrecorded
	}
	return s, e.Err
}
