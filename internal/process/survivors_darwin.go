package process

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// killSurvivors knows the leader's group alone: macOS shows no other process's
// environment to be relied on, so that the mark finds nothing.
func killSurvivors(id Identity, _ string) (Survivors, error) {
	if id.PID <= 1 { // 0 and 1 are no leader's, and mean something else to kill(2)
		return Survivors{}, errUnrecorded
	}
	h := &hunt{id: id, met: make(map[Identity]bool)}
	err := repeat(h.look)
	return Survivors{Killed: h.killed()}, err
}

// hunt is the search for one command's processes. Its group's id is its
// leader's.
type hunt struct {
	id     Identity
	met    map[Identity]bool // the living that a kill was sent to
	struck time.Time         // the kill
}

// look looks once and kills what it may. left is what may live, nil for
// nothing; final tells that it is no use to look again.
func (h *hunt) look() (left error, final bool) {
	leader, err := unix.SysctlKinfoProc("kern.proc.pid", h.id.PID)
	there := err == nil
	if there && h.id.Start != "" && identityOf(leader) != h.id {
		return nil, true // the id was given out again: the group has ended
	}
	if unix.Getpgrp() == h.id.PID {
		return errOwnSession, true
	}
	living, err := h.living()
	switch {
	case err != nil:
		return fmt.Errorf("processes of it may live: %w", err), true
	case len(living) == 0:
		return nil, true
	case h.struck.IsZero() && (!there || h.id.Start == ""):
		return errUnproven(pids(living)), true
	case there && h.id.Start != "":
		h.strike(living)
	}
	return errStillLive(pids(living)), false
}

// strike kills the group. There are no pidfds, but the leader, or its zombie,
// has been there in this very look: for the id to be another group's, all of
// this one would have to end and the ids to go round between two system calls.
// Once the leader has gone the kill is not repeated, only its effect awaited.
func (h *hunt) strike(living []Identity) {
	h.struck = time.Now()
	for _, id := range living {
		h.met[id] = true
	}
	_ = unix.Kill(-h.id.PID, unix.SIGKILL)
}

// living are the members of the group but zombies.
func (h *hunt) living() ([]Identity, error) {
	group, err := unix.SysctlKinfoProcSlice("kern.proc.pgrp", h.id.PID)
	if err != nil {
		return nil, err
	}
	var living []Identity
	for i := range group {
		if group[i].Proc.P_stat != zombie {
			living = append(living, identityOf(&group[i]))
		}
	}
	return living, nil
}

// killed counts those that were met and do not live any more.
func (h *hunt) killed() int {
	n := 0
	for id := range h.met {
		info, err := unix.SysctlKinfoProc("kern.proc.pid", id.PID)
		if err != nil || identityOf(info) != id || info.Proc.P_stat == zombie {
			n++
		}
	}
	return n
}

func pids(all []Identity) []int {
	var ids []int
	for _, id := range all {
		ids = append(ids, id.PID)
	}
	return ids
}
