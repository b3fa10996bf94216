//go:build unix

package process

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A tree is everything that one command has started, as far as this program can
// find and prove it. A process belongs to the command if one of these is true:
//
//   - It is the command's leader: same id, same start.
//   - It is in the command's cgroup.
//   - The environment of its program has the command's mark.
//   - Its parent belongs to the command.
//   - It is in a session that belongs to the command. A session belongs to the
//     command if its session leader does, because only a fork leads into a
//     session. The session with the id of the command's leader belongs to the
//     command also if any member does: no system gives out the id of a session
//     as a process id while the session has members (POSIX, Process ID Reuse).
//   - An earlier look has proved it.
//
// This program, and every process in this program's own session, never belongs
// to the command.
//
// A tree is plain state. One goroutine at a time uses it.
type tree struct {
	leader Identity
	since  uint64 // start of the leader; 0 where it is not known
	mark   string
	group  *cgroup // nil: none

	// anchored: the leader is this program's own child and not reaped, so its id
	// and the ids of its group and session belong to the command.
	anchored bool

	began   time.Time         // of the tree; later of the latest kill
	struck  bool              // KILL was sent
	known   map[birth]bool    // proved, alive or dead
	asked   map[birth]bool    // alive when a signal of ours reached it
	stopped map[birth]bool    // SIGSTOP has reached it
	refused map[birth]Process // the system does not let us signal it
	zombies []int             // of the latest look that saw nobody alive
	groups  map[int]bool      // process groups of the command's sessions, of all looks
}

// A birth identifies a process on this machine until it reboots.
type birth struct {
	pid   int
	start uint64
}

func (s procStat) birth() birth { return birth{s.pid, s.start} }

func newTree(leader Identity, mark string, group *cgroup) *tree {
	return &tree{
		leader: leader, since: startOf(leader), mark: mark, group: group, began: time.Now(),
		known: map[birth]bool{}, asked: map[birth]bool{}, stopped: map[birth]bool{},
		refused: map[birth]Process{}, groups: map[int]bool{},
	}
}

// A sight is what one look has found.
type sight struct {
	living   []procStat // of the command, without zombies
	doubtful []procStat // alive, in a group or session with the leader's id, but not proved
	// groups are process groups all of whose members are the command's, each with
	// one member or zombie of it.
	groups  map[int]procStat
	zombies []int // of the command's sessions
	reused  bool  // another process has the leader's id, so its group and session have ended
}

// An end is what came of a request to end a command.
type end struct {
	reached bool // a signal of ours reached the leader while it was alive
	killed  int
	left    []procStat
	err     error // why not everything has ended, worded for an outcome's reason
}

const (
	// endWithin is how long KILL may take: a process that hangs in the kernel, as
	// on a dead network disk, does not end.
	endWithin = 3 * time.Second
	// The pauses between looks.
	firstPause = time.Millisecond
	longPause  = 50 * time.Millisecond
	// settleFor is how long after a kill a process may look as if it were not the
	// command's, because it is about to end.
	settleFor = 100 * time.Millisecond
	// killRounds is the fewest looks that kill takes before it gives up.
	killRounds = 20
	// freezeRounds bounds how often processes that fork are looked for before
	// those that were found are killed.
	freezeRounds = 20
)

// stop ends everything that the command has started: TERM to all of it, KILL for
// what is alive after the grace time. It returns once all of it has ended, or
// endWithin after the first KILL.
func (t *tree) stop(grace time.Duration) end {
	err := t.terminate()
	if err == nil {
		err = t.await(grace)
	}
	var s sight
	if err == nil {
		s, err = t.kill()
	}
	e := end{err: err, killed: t.killed(), left: s.living}
	leader := birth{t.leader.PID, t.since}
	e.reached = t.asked[leader]
	if p, ok := t.refused[leader]; ok && e.err == nil {
		e.err = fmt.Errorf("process %s could not be signaled", p)
	}
	return e
}

// terminate asks everything to end, once: a second TERM would interrupt what a
// handler of the first one does. A stopped process does not see the TERM before
// it continues, so it is continued (as systemd does, systemd.kill(5)).
func (t *tree) terminate() error {
	s, err := t.look()
	if err != nil {
		return t.blind(err, unix.SIGTERM, unix.SIGCONT)
	}
	t.signal(s, nil, unix.SIGTERM, unix.SIGCONT)
	return nil
}

// await returns when everything has ended or the grace time is over. It does not
// wait for processes that could not be asked.
func (t *tree) await(grace time.Duration) error {
	deadline := time.Now().Add(grace)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if !t.anyAsked() {
			s, err := t.look()
			if err != nil || len(t.willing(s.living)) == 0 {
				return err
			}
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		time.Sleep(min(pause, left))
	}
}

// anyAsked reports whether a process that was asked to end is alive.
func (t *tree) anyAsked() bool {
	for b := range t.asked {
		if alive(b) {
			return true
		}
	}
	return false
}

func (t *tree) isRefused(s procStat) bool {
	_, ok := t.refused[s.birth()]
	return ok
}

// willing are those that we may signal.
func (t *tree) willing(all []procStat) []procStat {
	return slices.DeleteFunc(slices.Clone(all), t.isRefused)
}

// kill kills everything until nothing is alive, and says what is. It kills at
// least once, also where it sees nobody: of processes that fork and end again and
// again it may see none, but a signal to their group reaches them. On a busy
// machine a look takes long, so that time alone does not end it.
func (t *tree) kill() (s sight, err error) {
	deadline := time.Now().Add(endWithin)
	pause := firstPause
	for round := 1; ; round++ {
		if s, err = t.look(); err != nil {
			return s, t.blind(err, unix.SIGKILL)
		}
		last := round > killRounds && time.Now().After(deadline)
		unseen := len(s.living) == 0 && len(s.groups) > 0 && !t.struck
		switch {
		case len(s.living) == 0 && t.group.empty() && len(s.doubtful) == 0:
			return s, nil
		case len(t.willing(s.living)) > 0 && last:
			return s, t.remain(s)
		case len(t.willing(s.living)) > 0 || unseen:
			t.began, t.struck = time.Now(), true
			if err = t.strike(s); err != nil {
				return s, err
			}
		case len(s.living) > 0:
			return s, t.remain(s)
		default:
			if err = t.doubt(s); err == nil || last || settled(s) && time.Since(t.began) > settleFor {
				return s, err
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, longPause)
	}
}

// strike kills once. Without a cgroup everything is stopped first, so that
// nothing forks while it is being killed, and so that what proves other
// processes to be the command's does not end before them.
func (t *tree) strike(s sight) (err error) {
	if t.group.kill() {
		outside := 0
		for _, p := range s.living {
			if !t.group.has(p.pid) {
				outside++
				continue
			}
			t.asked[p.birth()] = true
			delete(t.refused, p.birth())
		}
		if outside == 0 && len(s.living) > 0 {
			return nil
		}
	}
	for range freezeRounds {
		if !t.signal(s, t.stopped, unix.SIGSTOP) {
			break
		}
		if s, err = t.look(); err != nil {
			return err
		}
	}
	t.signal(s, nil, unix.SIGKILL)
	return nil
}

// signal sends signals to everything that a look has found alive, and to whole
// process groups where every member is the command's: the kernel lets no fork
// pass a signal to a group. With done it passes over processes that are in there
// and reports whether it has added any.
func (t *tree) signal(s sight, done map[birth]bool, signals ...unix.Signal) (added bool) {
	fresh := slices.DeleteFunc(slices.Clone(s.living), func(p procStat) bool { return done[p.birth()] })
	if done != nil && len(fresh) == 0 {
		return false
	}
	// A signal to a group does not say whom it reaches, and afterwards those that
	// it has reached may be gone. So they are asked for first.
	var allowed []procStat
	for _, m := range fresh {
		switch err := withHeld(m, func(p *held) error { return p.signal(0) }); {
		case err == nil:
			allowed = append(allowed, m)
		case errors.Is(err, unix.EPERM):
			t.refused[m.birth()] = describe([]procStat{m})[0]
		}
		if done != nil {
			done[m.birth()] = true
		}
	}
	grouped := map[int]bool{}
	for g, member := range s.groups {
		grouped[g] = withHeld(member, func(p *held) error { return p.signalGroup(g, signals...) }) == nil
	}
	for _, m := range allowed {
		if grouped[m.pgrp] || withHeld(m, func(p *held) error { return p.signal(signals...) }) == nil {
			t.asked[m.birth()] = true
			added = true
		}
	}
	return added
}

// blind signals the leader's process group where processes cannot be listed, and
// says why nothing else is known.
func (t *tree) blind(err error, signals ...unix.Signal) error {
	if errors.Is(err, errOwnSession) {
		return err
	}
	if t.anchored {
		if unix.Kill(-t.leader.PID, signals[0]) == nil {
			t.asked[birth{t.leader.PID, t.since}] = true
		}
		for _, sig := range signals[1:] {
			_ = unix.Kill(-t.leader.PID, sig)
		}
	}
	return fmt.Errorf("processes of it may live: %w", err)
}

// killed counts the processes that a signal of ours has reached and that are not
// alive any more.
func (t *tree) killed() (n int) {
	for b := range t.asked {
		if !alive(b) {
			n++
		}
	}
	return n
}

// look looks once at all processes.
func (t *tree) look() (sight, error) {
	own, err := unix.Getsid(0)
	// Session 0 is one of outside this PID namespace, and no leader's.
	if err != nil || own == t.leader.PID && own != 0 {
		return sight{}, errOwnSession
	}
	defer occupy()()
	all, err := snapshot()
	if err != nil {
		return sight{}, err
	}
	all = slices.DeleteFunc(all, func(s procStat) bool { return s.session == own })
	if err := t.group.read(); err != nil {
		return sight{}, err
	}
	f := finding{tree: t, all: all, members: map[int]bool{}, sessions: map[int]bool{}}
	f.begin()
	f.spread()
	f.marks()
	f.spread()
	return f.sight(), nil
}

// A finding is one look at work.
type finding struct {
	*tree
	all      []procStat
	members  map[int]bool // process ids
	sessions map[int]bool
	reused   bool // another process has the leader's id
}

// begin proves what needs no other proof.
func (f *finding) begin() {
	for _, s := range f.all {
		switch b := s.birth(); {
		case s.pid == 1: // init, or the one of this container
		case f.known[b], f.group.has(s.pid):
			f.members[s.pid] = true
		case s.pid == f.leader.PID && (f.anchored || f.since != 0):
			f.members[s.pid] = f.anchored || s.identity() == f.leader
			f.reused = !f.members[s.pid]
		}
	}
}

// spread proves children and sessions of what is proved.
func (f *finding) spread() {
	for changed := true; changed; {
		changed = false
		for _, s := range f.all {
			if f.members[s.pid] {
				if (s.session == s.pid || s.session == f.leader.PID && !f.reused) && !f.sessions[s.session] {
					f.sessions[s.session], changed = true, true
				}
			} else if f.sessions[s.session] || f.members[s.ppid] {
				f.members[s.pid], changed = true, true
			}
		}
	}
}

// marks proves those that bear the mark. What is older than the leader does not,
// nor does what is in the session of another running command.
func (f *finding) marks() {
	others := children.sessions()
	for _, s := range f.all {
		if s.start >= f.since && !others[s.session] && !f.members[s.pid] && s.pid != 1 && !s.dead() && bears(s.pid, f.mark) {
			f.members[s.pid] = true
		}
	}
}

func (f *finding) sight() sight {
	s := sight{groups: map[int]procStat{}, reused: f.reused}
	for _, p := range f.all {
		whole := f.sessions[p.session] && p.pgrp > 1 // kill(2) knows 0 and -1 as other than groups
		if whole {
			s.groups[p.pgrp] = p
			f.groups[p.pgrp] = true
		}
		switch {
		case f.members[p.pid] && p.dead() && whole:
			s.zombies = append(s.zombies, p.pid)
		case f.members[p.pid] && !p.dead():
			s.living = append(s.living, p)
			f.known[p.birth()] = true
		case !f.members[p.pid] && !p.dead() && f.leader.PID > 1 && !f.reused && (p.session == f.leader.PID || p.pgrp == f.leader.PID):
			s.doubtful = append(s.doubtful, p)
		}
	}
	return s
}

// doubt says what may be alive where a look has found nobody that is proved. A
// look is not taken at one instant: of a process that forks and ends it may see
// the end and not the child. And processes may be hidden from us (hidepid of
// proc(5)). So the kernel is asked whether the groups are empty, which it
// answers for one instant; but zombies count. Where there are any, a second look
// must see the same ones: a child that the first look has missed is alive in the
// second.
func (t *tree) doubt(s sight) error {
	if len(s.doubtful) > 0 {
		return errUnproved(s.doubtful)
	}
	same := slices.Equal(s.zombies, t.zombies)
	t.zombies = s.zombies
	groups := maps.Clone(t.groups)
	if t.leader.PID > 1 && !s.reused {
		groups[t.leader.PID] = true
	}
	for g := range groups {
		_, explained := s.groups[g]
		if explained && !same || !explained && groupMayLive(g) {
			return fmt.Errorf("processes of its group %d may live that cannot be seen", g)
		}
	}
	return nil
}

// settled reports whether another look would see the same.
func settled(s sight) bool {
	return len(s.doubtful) > 0 && !slices.ContainsFunc(s.doubtful, procStat.ending)
}

func groupMayLive(g int) bool { return !errors.Is(unix.Kill(-g, 0), unix.ESRCH) }

// remain names what is alive and why.
func (t *tree) remain(s sight) error {
	var refused, others []procStat
	for _, p := range s.living {
		if t.isRefused(p) {
			refused = append(refused, p)
		} else {
			others = append(others, p)
		}
	}
	switch {
	case len(refused) > 0:
		return fmt.Errorf("%s could not be signaled", processesText(refused))
	case len(others) > 0:
		return fmt.Errorf("%s could not be ended", processesText(others))
	}
	return nil
}
