package process

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func killSurvivors(id Identity, mark string) (Survivors, error) {
	if boot, _, known := strings.Cut(id.Start, "/"); known && boot != "" && bootID() != "" && boot != bootID() {
		return Survivors{}, nil // no process outlives its boot
	}
	h := &hunt{id: id, mark: mark, met: make(map[Identity]bool), groups: make(map[int]bool), began: time.Now()}
	h.struck = h.began
	err := errUnrecorded
	switch {
	case id.PID > 1: // 0 and 1 are no leader's, and mean something else to kill(2)
		err = repeat(h.look)
	case h.findLeader():
		if left := repeat(h.look); left != nil {
			err = left
		}
	}
	return Survivors{Killed: h.killed(), Detached: h.detached()}, err
}

// hunt is the search for one command's processes. Its session's id is its
// leader's. Its group is in there: one of the same id in another session is a
// stranger's.
type hunt struct {
	id      Identity
	mark    string
	met     map[Identity]bool // the living that a kill was sent to
	groups  map[int]bool      // the ids of the groups that were seen in the session
	swept   bool              // the group of an anchor was killed
	began   time.Time
	struck  time.Time // the latest kill; before the first, began
	zombies []int     // what the latest look met where it met nobody alive
}

// settleFor is how long after a kill a process may look as if it were not the
// command's, because it is about to end.
const settleFor = 100 * time.Millisecond

// look looks once and kills what it may. left is what may live, nil for
// nothing; final tells that it is no use to look again.
func (h *hunt) look() (left error, final bool) {
	if h.reused() {
		return nil, true
	}
	if own, err := unix.Getsid(0); err != nil || own == h.id.PID {
		return errOwnSession, true
	}
	members, err := inSession(h.id.PID)
	if err != nil {
		return fmt.Errorf("processes of it may live: %w", err), true
	}
	h.groups[h.id.PID] = true
	for _, s := range members {
		h.groups[s.pgrp] = true
	}
	living := theLiving(members)
	if anchor := h.anchor(members); anchor != nil {
		defer anchor.release()
		if len(living) > 0 || !h.swept { // of which the look may have missed some
			h.strike(anchor, living)
			return errStillLive(pids(members)), false
		}
	}
	if len(living) == 0 {
		return h.unseen(members), false
	}
	for _, s := range living {
		if !s.ending() && !h.met[s.identity()] {
			return errUnproven(pids(living)), time.Since(h.struck) > settleFor
		}
	}
	return errStillLive(pids(living)), false
}

// reused tells whether another process has the leader's id (as a thread of it,
// maybe): then group and session have ended.
func (h *hunt) reused() bool {
	s, err := readStat(h.id.PID)
	return err == nil && h.id.Start != "" && s.identity() != h.id
}

// anchor is a process, or zombie, that shows the session to be the command's
// for as long as it is there: the leader, else a member that bears the mark.
// It is nil where there is none.
func (h *hunt) anchor(members []procStat) *held {
	for _, m := range members {
		if p := hold(m.pid); p != nil {
			if p.session == h.id.PID && (p.identity() == h.id || bears(p.pid, h.mark)) && p.there() {
				return p
			}
			p.release()
		}
	}
	return nil
}

// strike kills the session by its groups, the anchor's last: the others are
// shown to be the command's by the anchor alone, which is stopped meanwhile so
// that it starts no more of them. It does not wait for long: one that withstands
// (another user's) shall not leave the anchor stopped for ever.
func (h *hunt) strike(anchor *held, living []procStat) {
	h.struck = time.Now()
	others := false
	for _, s := range living {
		h.met[s.identity()] = true
		if s.pgrp != anchor.pgrp {
			others = true
			anchor.stop()
			h.strikeGroupOf(s, anchor)
		}
	}
	if !others || time.Since(h.began) > settleFor {
		anchor.killGroup()
		h.swept = true
	}
}

func (h *hunt) strikeGroupOf(s procStat, anchor *held) {
	p := hold(s.pid)
	if p == nil {
		return
	}
	defer p.release()
	if p.session == anchor.session && p.pgrp != anchor.pgrp && anchor.there() {
		p.killGroup()
	}
}

// unseen tells what may live where a look has met nobody alive. A look is not
// taken at one instant: of a process that forks and ends it may see the end and
// not the child. And a process may be hidden from us (hidepid of proc(5)). So
// the kernel is asked whether the groups are empty, which it tells of one
// instant; but zombies count for it. Where there are any, init being slow to
// reap them or never doing it, a second look must see the same ones: what the
// first has missed was living then, and is there now.
func (h *hunt) unseen(members []procStat) error {
	var zombies []int
	explained := make(map[int]bool)
	for _, s := range members {
		zombies = append(zombies, s.pid)
		explained[s.pgrp] = true
	}
	same := slices.Equal(zombies, h.zombies)
	h.zombies = zombies
	for id := range h.groups {
		if !same || !explained[id] && !errors.Is(unix.Kill(-id, 0), unix.ESRCH) {
			return fmt.Errorf("processes of its group %d may live that cannot be seen", id)
		}
	}
	return nil
}

// findLeader takes the oldest process that bears the mark for the leader, where
// it leads a session.
func (h *hunt) findLeader() bool {
	var oldest procStat
	for _, s := range h.bearers() {
		// Within a tick the one that forked has the lower id.
		if oldest.pid == 0 || s.start < oldest.start || s.start == oldest.start && s.pid < oldest.pid {
			oldest = s
		}
	}
	h.id = oldest.identity()
	return oldest.pid != 0 && oldest.session == oldest.pid
}

// killed counts those that were met and do not live any more.
func (h *hunt) killed() int {
	n := 0
	for id := range h.met {
		if s, err := readStat(id.PID); err != nil || s.identity() != id || s.dead() {
			n++
		}
	}
	return n
}

// detached counts the bearers of the mark outside of the command's session.
func (h *hunt) detached() int {
	n := 0
	for _, s := range h.bearers() {
		if s.session != h.id.PID {
			n++
		}
	}
	return n
}

func (h *hunt) bearers() []procStat {
	all, _ := processes(func(pid int) bool { return bears(pid, h.mark) })
	return theLiving(all)
}

func pids(all []procStat) []int {
	var ids []int
	for _, s := range theLiving(all) {
		ids = append(ids, s.pid)
	}
	return ids
}

func theLiving(all []procStat) []procStat {
	var living []procStat
	for _, s := range all {
		if !s.dead() {
			living = append(living, s)
		}
	}
	return living
}
