//go:build unix

package proctree

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Tree is everything that one command has started, as far as this program can
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
type Tree struct {
	leader Identity
	since  uint64 // start of the leader; 0 where it is not known
	mark   string
	group  *Cgroup // nil: none
	others func() map[int]bool

	// LeaderIsChild: the leader is this program's own child and not reaped, so its id
	// and the ids of its group and session belong to the command.
	LeaderIsChild bool

	began    time.Time         // of the tree; later of the latest kill
	killSent bool              // KILL was sent
	proved   map[birth]bool    // proved, alive or dead
	signaled map[birth]bool    // alive when a signal of ours reached it
	frozen   map[birth]bool    // SIGSTOP has reached it
	refused  map[birth]Process // the system does not let us signal it
	zombies  []int             // of the latest look that saw nobody alive
	groups   map[int]bool      // process groups of the command's sessions, of all looks
}

// A birth identifies a process on this machine until it reboots.
type birth struct {
	pid   int
	start uint64
}

func (s Stat) birth() birth { return birth{s.PID, s.StartTime} }

// New returns the tree of the command that this leader started, with this mark in
// its environment. group may be nil. others lists the sessions of the other commands
// that run at the time of the call.
func New(leader Identity, mark string, group *Cgroup, others func() map[int]bool) *Tree {
	return &Tree{
		others: others, leader: leader, since: StartOf(leader), mark: mark, group: group, began: time.Now(),
		proved: map[birth]bool{}, signaled: map[birth]bool{}, frozen: map[birth]bool{},
		refused: map[birth]Process{}, groups: map[int]bool{},
	}
}

// A Scan is what one look has found.
type Scan struct {
	Living   []Stat // of the command, without zombies
	unproved []Stat // alive, in a group or session with the leader's id, but not proved
	// groups are process groups all of whose members are the command's, each with
	// one member or zombie of it.
	groups         map[int]Stat
	zombies        []int // of the command's sessions
	leaderReplaced bool  // another process has the leader's id, so its group and session have ended
}

// An Ending is what came of a request to end a command.
type Ending struct {
	ReachedLeader bool // a signal of ours reached the leader while it was alive
	Killed        int
	Left          []Stat
	Err           error // why not everything has ended, worded for an outcome's reason
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

// Stop ends everything that the command has started: TERM to all of it, KILL for
// what is alive after the grace time. It returns once all of it has ended, or
// endWithin after the first KILL.
func (t *Tree) Stop(grace time.Duration) Ending {
	err := t.terminate()
	if err == nil {
		err = t.await(grace)
	}
	var s Scan
	if err == nil {
		s, err = t.kill()
	}
	e := Ending{Err: err, Killed: t.killed(), Left: s.Living}
	leader := birth{t.leader.PID, t.since}
	e.ReachedLeader = t.signaled[leader]
	if p, ok := t.refused[leader]; ok && e.Err == nil {
		e.Err = fmt.Errorf("process %s could not be signaled", p)
	}
	return e
}

// terminate asks everything to end, once: a second TERM would interrupt what a
// handler of the first one does. A stopped process does not see the TERM before
// it continues, so it is continued (as systemd does, systemd.kill(5)).
func (t *Tree) terminate() error {
	s, err := t.Scan()
	if err != nil {
		return t.signalUnseen(err, unix.SIGTERM, unix.SIGCONT)
	}
	t.signal(s, nil, unix.SIGTERM, unix.SIGCONT)
	return nil
}

// await returns when everything has ended or the grace time is over. It does not
// wait for processes that could not be asked.
func (t *Tree) await(grace time.Duration) error {
	deadline := time.Now().Add(grace)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if !t.anySignaled() {
			s, err := t.Scan()
			if err != nil || len(t.withoutRefused(s.Living)) == 0 {
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

// anySignaled reports whether a process that was asked to end is alive.
func (t *Tree) anySignaled() bool {
	for b := range t.signaled {
		if alive(b) {
			return true
		}
	}
	return false
}

func (t *Tree) isRefused(s Stat) bool {
	_, ok := t.refused[s.birth()]
	return ok
}

// withoutRefused are those that we may signal.
func (t *Tree) withoutRefused(all []Stat) []Stat {
	return slices.DeleteFunc(slices.Clone(all), t.isRefused)
}

// kill kills everything until nothing is alive, and says what is. It kills at
// least once, also where it sees nobody: of processes that fork and end again and
// again it may see none, but a signal to their group reaches them. On a busy
// machine a look takes long, so that time alone does not end it.
func (t *Tree) kill() (s Scan, err error) {
	deadline := time.Now().Add(endWithin)
	pause := firstPause
	for round := 1; ; round++ {
		if s, err = t.Scan(); err != nil {
			return s, t.signalUnseen(err, unix.SIGKILL)
		}
		last := round > killRounds && time.Now().After(deadline)
		unseen := len(s.Living) == 0 && len(s.groups) > 0 && !t.killSent
		switch {
		case len(s.Living) == 0 && t.group.empty() && len(s.unproved) == 0:
			return s, nil
		case len(t.withoutRefused(s.Living)) > 0 && last:
			return s, t.whyAlive(s)
		case len(t.withoutRefused(s.Living)) > 0 || unseen:
			t.began, t.killSent = time.Now(), true
			if err = t.killGroups(s); err != nil {
				return s, err
			}
		case len(s.Living) > 0:
			return s, t.whyAlive(s)
		default:
			if err = t.whyUncertain(s); err == nil || last || hasSettled(s) && time.Since(t.began) > settleFor {
				return s, err
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, longPause)
	}
}

// killGroups kills once. Without a cgroup everything is stopped first, so that
// nothing forks while it is being killed, and so that what proves other
// processes to be the command's does not end before them.
func (t *Tree) killGroups(s Scan) (err error) {
	if t.group.kill() {
		outside := 0
		for _, p := range s.Living {
			if !t.group.has(p.PID) {
				outside++
				continue
			}
			t.signaled[p.birth()] = true
			delete(t.refused, p.birth())
		}
		if outside == 0 && len(s.Living) > 0 {
			return nil
		}
	}
	for range freezeRounds {
		if !t.signal(s, t.frozen, unix.SIGSTOP) {
			break
		}
		if s, err = t.Scan(); err != nil {
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
func (t *Tree) signal(s Scan, done map[birth]bool, signals ...unix.Signal) (added bool) {
	fresh := slices.DeleteFunc(slices.Clone(s.Living), func(p Stat) bool { return done[p.birth()] })
	if done != nil && len(fresh) == 0 {
		return false
	}
	// A signal to a group does not say whom it reaches, and afterwards those that
	// it has reached may be gone. So they are asked for first.
	var allowed []Stat
	for _, m := range fresh {
		switch err := withHandle(m, func(p *handle) error { return p.signal(0) }); {
		case err == nil:
			allowed = append(allowed, m)
		case errors.Is(err, unix.EPERM):
			t.refused[m.birth()] = Describe([]Stat{m})[0]
		}
		if done != nil {
			done[m.birth()] = true
		}
	}
	grouped := map[int]bool{}
	for g, member := range s.groups {
		grouped[g] = withHandle(member, func(p *handle) error { return p.signalGroup(g, signals...) }) == nil
	}
	for _, m := range allowed {
		if grouped[m.ProcessGroup] || withHandle(m, func(p *handle) error { return p.signal(signals...) }) == nil {
			t.signaled[m.birth()] = true
			added = true
		}
	}
	return added
}

// signalUnseen signals the leader's process group where processes cannot be listed, and
// says why nothing else is known.
func (t *Tree) signalUnseen(err error, signals ...unix.Signal) error {
	if errors.Is(err, ErrOwnSession) {
		return err
	}
	if t.LeaderIsChild {
		if unix.Kill(-t.leader.PID, signals[0]) == nil {
			t.signaled[birth{t.leader.PID, t.since}] = true
		}
		for _, sig := range signals[1:] {
			_ = unix.Kill(-t.leader.PID, sig)
		}
	}
	return fmt.Errorf("processes of it may live: %w", err)
}

// killed counts the processes that a signal of ours has reached and that are not
// alive any more.
func (t *Tree) killed() (n int) {
	for b := range t.signaled {
		if !alive(b) {
			n++
		}
	}
	return n
}

// Scan looks once at all processes.
func (t *Tree) Scan() (Scan, error) {
	own, err := unix.Getsid(0)
	// Session 0 is one of outside this PID namespace, and no leader's.
	if err != nil || own == t.leader.PID && own != 0 {
		return Scan{}, ErrOwnSession
	}
	defer Occupy()()
	all, err := Snapshot()
	if err != nil {
		return Scan{}, err
	}
	all = slices.DeleteFunc(all, func(s Stat) bool { return s.Session == own })
	if err := t.group.read(); err != nil {
		return Scan{}, err
	}
	f := prover{Tree: t, all: all, members: map[int]bool{}, sessions: map[int]bool{}}
	f.proveKnown()
	f.proveDescendants()
	f.proveByMark()
	f.proveDescendants()
	return f.scan(), nil
}

// A prover is one look at work.
type prover struct {
	*Tree
	all            []Stat
	members        map[int]bool // process ids
	sessions       map[int]bool
	leaderReplaced bool // another process has the leader's id
}

// proveKnown proves what needs no other proof.
func (f *prover) proveKnown() {
	for _, s := range f.all {
		switch b := s.birth(); {
		case s.PID == 1: // init, or the one of this container
		case f.proved[b], f.group.has(s.PID):
			f.members[s.PID] = true
		case s.PID == f.leader.PID && (f.LeaderIsChild || f.since != 0):
			f.members[s.PID] = f.LeaderIsChild || s.Identity() == f.leader
			f.leaderReplaced = !f.members[s.PID]
		}
	}
}

// proveDescendants proves children and sessions of what is proved.
func (f *prover) proveDescendants() {
	for changed := true; changed; {
		changed = false
		for _, s := range f.all {
			if f.members[s.PID] {
				if (s.Session == s.PID || s.Session == f.leader.PID && !f.leaderReplaced) && !f.sessions[s.Session] {
					f.sessions[s.Session], changed = true, true
				}
			} else if f.sessions[s.Session] || f.members[s.PPID] {
				f.members[s.PID], changed = true, true
			}
		}
	}
}

// proveByMark proves those that bear the mark. What is older than the leader does not,
// nor does what is in the session of another running command.
func (f *prover) proveByMark() {
	others := f.others()
	for _, s := range f.all {
		if s.StartTime >= f.since && !others[s.Session] && !f.members[s.PID] && s.PID != 1 && !s.IsDead() && HasEnvironEntry(s.PID, f.mark) {
			f.members[s.PID] = true
		}
	}
}

func (f *prover) scan() Scan {
	s := Scan{groups: map[int]Stat{}, leaderReplaced: f.leaderReplaced}
	for _, p := range f.all {
		whole := f.sessions[p.Session] && p.ProcessGroup > 1 // kill(2) knows 0 and -1 as other than groups
		if whole {
			s.groups[p.ProcessGroup] = p
			f.groups[p.ProcessGroup] = true
		}
		switch {
		case f.members[p.PID] && p.IsDead() && whole:
			s.zombies = append(s.zombies, p.PID)
		case f.members[p.PID] && !p.IsDead():
			s.Living = append(s.Living, p)
			f.proved[p.birth()] = true
		case !f.members[p.PID] && !p.IsDead() && f.leader.PID > 1 && !f.leaderReplaced && (p.Session == f.leader.PID || p.ProcessGroup == f.leader.PID):
			s.unproved = append(s.unproved, p)
		}
	}
	return s
}

// whyUncertain says what may be alive where a look has found nobody that is proved. A
// look is not taken at one instant: of a process that forks and ends it may see
// the end and not the child. And processes may be hidden from us (hidepid of
// proc(5)). So the kernel is asked whether the groups are empty, which it
// answers for one instant; but zombies count. Where there are any, a second look
// must see the same ones: a child that the first look has missed is alive in the
// second.
func (t *Tree) whyUncertain(s Scan) error {
	if len(s.unproved) > 0 {
		return UnprovedError(s.unproved)
	}
	same := slices.Equal(s.zombies, t.zombies)
	t.zombies = s.zombies
	groups := maps.Clone(t.groups)
	if t.leader.PID > 1 && !s.leaderReplaced {
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

// hasSettled reports whether another look would see the same.
func hasSettled(s Scan) bool {
	return len(s.unproved) > 0 && !slices.ContainsFunc(s.unproved, Stat.ending)
}

func groupMayLive(g int) bool { return !errors.Is(unix.Kill(-g, 0), unix.ESRCH) }

// whyAlive names what is alive and why.
func (t *Tree) whyAlive(s Scan) error {
	var refused, others []Stat
	for _, p := range s.Living {
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

// ErrOwnSession means that this program is in a session of the command, so that
// nothing of that session is signaled.
var ErrOwnSession = errors.New("this agent was started by it, so that processes of it may live")

// UnprovedError says that these processes may belong to the command.
func UnprovedError(all []Stat) error {
	return fmt.Errorf("%s may be of it: nothing that is left shows who started them", processesText(all))
}
