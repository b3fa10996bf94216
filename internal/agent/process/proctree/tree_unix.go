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

// A Tree finds and ends the processes of one command. A process belongs to the command
// if one of these conditions is true:
//
//   - It is the command's leader: it has the leader's id and start time.
//   - It is in the command's cgroup.
//   - The environment of its program has the command's mark.
//   - Its parent belongs to the command.
//   - It is in a session that belongs to the command. A session belongs to the
//     command if its session leader does, because a process enters a session only
//     by fork. The session with the id of the command's leader also belongs to the
//     command if any member does: no system reuses the id of a session as a process
//     id while the session has members (POSIX, Process ID Reuse).
//   - An earlier scan has verified it.
//
// This program never belongs to the command, and neither do the processes in this
// program's own session.
//
// A Tree has no lock: one goroutine at a time uses it.
type Tree struct {
	leader        Identity
	leaderStart   uint64 // start time; 0: unknown
	mark          string
	cgroup        *Cgroup // may be nil
	otherSessions func() map[int]bool

	// LeaderIsChild means that the leader is a child of this program that is not reaped
	// yet, so that its id and the ids of its group and session belong to the command.
	LeaderIsChild bool

	lastKill    time.Time // initially the creation of the Tree
	killSent    bool
	verified    map[processKey]bool    // living and ended processes of the command
	signaled    map[processKey]bool    // processes that were alive when a signal of this Tree reached them
	frozen      map[processKey]bool    // processes that received SIGSTOP
	denied      map[processKey]Process // processes that this program may not signal
	lastZombies []int                  // zombies of the latest scan that found no living process
	seenGroups  map[int]bool           // process groups of the command's sessions, from all scans
}

// A processKey identifies a process on this machine until the next boot.
type processKey struct {
	pid   int
	start uint64
}

func (s Stat) key() processKey { return processKey{s.PID, s.StartTime} }

// New returns the Tree of a command. mark is an entry of the command's environment.
// cgroup may be nil. otherSessions returns the sessions of the other commands that run
// at that moment.
func New(leader Identity, mark string, cgroup *Cgroup, otherSessions func() map[int]bool) *Tree {
	return &Tree{
		otherSessions: otherSessions, leader: leader, leaderStart: StartTimeOf(leader), mark: mark, cgroup: cgroup, lastKill: time.Now(),
		verified: map[processKey]bool{}, signaled: map[processKey]bool{}, frozen: map[processKey]bool{},
		denied: map[processKey]Process{}, seenGroups: map[int]bool{},
	}
}

// A Scan is the result of one pass over all processes.
type Scan struct {
	Living     []Stat // processes of the command, without zombies
	unverified []Stat // living processes that may belong to the command, but are not verified
	// groups holds the process groups whose members all belong to the command. The value
	// is one member, possibly a zombie.
	groups         map[int]Stat
	ended          map[int]bool // groups with zombies that may belong to the command and are in no session of its members
	zombies        []int        // in the command's sessions, and in those of ended
	leaderReplaced bool         // another process has the leader's id, so the leader's group and session have ended
}

// A StopResult is the result of Stop.
type StopResult struct {
	ReachedLeader bool // a signal reached the leader while it was alive
	Killed        int
	Left          []Stat
	Err           error // why some processes did not end, worded for the reason of an outcome
}

const (
	// killTimeout limits how long kill tries. A process that hangs in the kernel, for
	// example on a dead network disk, does not end.
	killTimeout = 3 * time.Second
	// doubtTimeout limits how long kill waits for the certainty that nothing is left, when it has
	// killed all that it found. What ends takes long on a busy machine.
	doubtTimeout = 10 * time.Second
	// The pause between two scans doubles from minPollInterval to maxPollInterval.
	minPollInterval = time.Millisecond
	maxPollInterval = 50 * time.Millisecond
	// settleDelay is the time after a kill in which an ending process may look like one
	// that is not the command's, or like a hidden one: on a busy machine it takes long to end.
	settleDelay = 2 * time.Second
	// minKillRounds is the minimum number of scans before kill gives up.
	minKillRounds = 20
	// maxFreezeRounds limits how often killOnce scans for new forks before it kills the
	// processes that it found.
	maxFreezeRounds = 20
)

// Stop ends all processes of the command: it sends TERM to all of them, waits for the
// grace time, and kills the rest. It returns when all of them have ended, or
// killTimeout after the first KILL, or doubtTimeout if only that is not certain.
func (t *Tree) Stop(grace time.Duration) StopResult {
	var s Scan
	err := t.terminate()
	if !errors.Is(err, ErrOwnSession) { // what can be signaled without a list of processes is ended, too
		_ = t.awaitExit(grace)
		s, err = t.kill()
	}
	e := StopResult{Err: err, Killed: t.countKilled(), Left: s.Living}
	leader := processKey{t.leader.PID, t.leaderStart}
	e.ReachedLeader = t.signaled[leader]
	if p, ok := t.denied[leader]; ok && e.Err == nil {
		e.Err = fmt.Errorf("process %s could not be signaled", p)
	}
	return e
}

// terminate sends TERM to all processes, once: a second TERM would interrupt the
// handler of the first. It also sends CONT, because a stopped process receives TERM
// only after it continues; systemd does the same (systemd.kill(5)).
func (t *Tree) terminate() error {
	s, err := t.Scan()
	if err != nil {
		return t.signalLeaderGroup(err, unix.SIGTERM, unix.SIGCONT)
	}
	t.signal(s, nil, unix.SIGTERM, unix.SIGCONT)
	return nil
}

// awaitExit returns when all processes have ended or the grace time is over. It does
// not wait for processes that it may not signal.
func (t *Tree) awaitExit(grace time.Duration) error {
	deadline := time.Now().Add(grace)
	for pause := minPollInterval; ; pause = min(2*pause, maxPollInterval) {
		if !t.anySignaled() {
			s, err := t.Scan()
			if err != nil || len(t.withoutDenied(s.Living)) == 0 {
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

// anySignaled reports whether a process that received a signal is alive.
func (t *Tree) anySignaled() bool {
	for b := range t.signaled {
		if alive(b) {
			return true
		}
	}
	return false
}

func (t *Tree) isDenied(s Stat) bool {
	_, ok := t.denied[s.key()]
	return ok
}

// withoutDenied returns the processes that this program may signal.
func (t *Tree) withoutDenied(all []Stat) []Stat {
	return slices.DeleteFunc(slices.Clone(all), t.isDenied)
}

// kill kills until no process is alive, and returns the last scan. It kills at least
// once, even if it finds no process: a scan can miss processes that fork and exit
// continuously, but a signal to their group reaches them. A scan can take long on a
// busy machine, so kill gives up only after killTimeout, or doubtTimeout, and minKillRounds.
func (t *Tree) kill() (s Scan, err error) {
	begun := time.Now()
	pause := minPollInterval
	for round := 1; ; round++ {
		if s, err = t.Scan(); err != nil {
			t.cgroup.killAll()
			return s, t.signalLeaderGroup(err, unix.SIGKILL)
		}
		last := round > minKillRounds && time.Since(begun) > killTimeout
		doubtful := round > minKillRounds && time.Since(begun) > doubtTimeout
		unseen := len(s.Living) == 0 && len(s.groups) > 0 && !t.killSent
		switch {
		case len(s.Living) == 0 && t.cgroup.isEmpty() && len(s.unverified) == 0:
			return s, nil
		case len(t.withoutDenied(s.Living)) > 0 && last:
			return s, t.survivorsError(s)
		case len(t.withoutDenied(s.Living)) > 0 || unseen:
			t.lastKill, t.killSent = time.Now(), true
			if err = t.killOnce(s); err != nil {
				return s, err
			}
		case len(s.Living) > 0:
			return s, t.survivorsError(s)
		default:
			if err = t.uncertaintyError(s); err == nil || doubtful || isSettled(s) && time.Since(t.lastKill) > settleDelay {
				return s, err
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, maxPollInterval)
	}
}

// killOnce kills all processes that the scan found. Without a cgroup it first stops
// all of them. Stopped processes cannot fork, and the processes that verify others as
// the command's do not end before them.
func (t *Tree) killOnce(s Scan) error {
	if t.cgroup.killAll() {
		outside := 0
		for _, p := range s.Living {
			if !t.cgroup.contains(p.PID) {
				outside++
				continue
			}
			t.signaled[p.key()] = true
			delete(t.denied, p.key())
		}
		if outside == 0 && len(s.Living) > 0 {
			return nil
		}
	}
	for range maxFreezeRounds {
		if !t.signal(s, t.frozen, unix.SIGSTOP) {
			break
		}
		next, err := t.Scan()
		if err != nil {
			t.signal(s, nil, unix.SIGKILL)
			return t.signalLeaderGroup(err, unix.SIGKILL)
		}
		s = next
	}
	t.signal(s, nil, unix.SIGKILL)
	return nil
}

// signal sends signals to all living processes of a scan, and to whole process groups
// whose members all belong to the command: the kernel does not let a fork escape a
// signal to a group. If done is not nil, signal skips the processes in it, adds the
// others, and reports whether a signal reached a new one.
func (t *Tree) signal(s Scan, done map[processKey]bool, signals ...unix.Signal) (added bool) {
	fresh := slices.DeleteFunc(slices.Clone(s.Living), func(p Stat) bool { return done[p.key()] })
	if done != nil && len(fresh) == 0 {
		return false
	}
	// A signal to a group does not report which processes it reached, and these processes
	// may be gone afterwards. So test each process first.
	var allowed []Stat
	for _, m := range fresh {
		switch err := withHandle(m, func(p *handle) error { return p.signal(0) }); {
		case err == nil:
			allowed = append(allowed, m)
		case errors.Is(err, unix.EPERM):
			t.denied[m.key()] = Describe([]Stat{m})[0]
		}
		if done != nil {
			done[m.key()] = true
		}
	}
	grouped := map[int]bool{}
	for g, member := range s.groups {
		grouped[g] = withHandle(member, func(p *handle) error { return p.signalGroup(g, signals...) }) == nil
	}
	for _, m := range allowed {
		if grouped[m.ProcessGroup] || withHandle(m, func(p *handle) error { return p.signal(signals...) }) == nil {
			t.signaled[m.key()] = true
			added = true
		}
	}
	return added
}

// signalLeaderGroup signals the leader's process group when the processes cannot be
// listed. It returns an error for the outcome's reason.
func (t *Tree) signalLeaderGroup(err error, signals ...unix.Signal) error {
	if errors.Is(err, ErrOwnSession) {
		return err
	}
	if t.LeaderIsChild {
		if unix.Kill(-t.leader.PID, signals[0]) == nil {
			t.signaled[processKey{t.leader.PID, t.leaderStart}] = true
		}
		for _, sig := range signals[1:] {
			_ = unix.Kill(-t.leader.PID, sig)
		}
	}
	return fmt.Errorf("some of its processes may still run: %w", err)
}

// countKilled counts the processes that received a signal and have ended.
func (t *Tree) countKilled() (n int) {
	for b := range t.signaled {
		if !alive(b) {
			n++
		}
	}
	return n
}

// Scan makes one pass over all processes.
func (t *Tree) Scan() (Scan, error) {
	own, err := unix.Getsid(0)
	// A leader outside this PID namespace has session 0. It is not the command's leader.
	if err != nil || own == t.leader.PID && own != 0 {
		return Scan{}, ErrOwnSession
	}
	defer AcquireSlot()()
	all, err := Snapshot()
	if err != nil {
		return Scan{}, err
	}
	all = slices.DeleteFunc(all, func(s Stat) bool { return s.Session == own })
	if err := t.cgroup.refresh(); err != nil {
		return Scan{}, err
	}
	f := scanner{Tree: t, all: all, members: map[int]bool{}, sessions: map[int]bool{}}
	f.addKnown()
	f.addDescendants()
	f.addMarked()
	f.addDescendants()
	return f.result(), nil
}

// Session 0 means that this program's session is outside its PID namespace. It is not
// the leader's.
type scanner struct {
	*Tree
	all            []Stat
	members        map[int]bool // by process id
	sessions       map[int]bool
	leaderReplaced bool
}

// addKnown adds the leader, the members of the cgroup, and the processes that an
// earlier scan verified.
func (f *scanner) addKnown() {
	for _, s := range f.all {
		switch b := s.key(); {
		case s.PID == 1: // init, of this machine or container
		case f.verified[b], f.cgroup.contains(s.PID):
			f.members[s.PID] = true
		case s.PID == f.leader.PID && (f.LeaderIsChild || f.leaderStart != 0):
			f.members[s.PID] = f.LeaderIsChild || s.Identity() == f.leader
			f.leaderReplaced = !f.members[s.PID]
		}
	}
}

// addDescendants adds the children of members, and the processes in the members'
// sessions, until nothing changes.
func (f *scanner) addDescendants() {
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

// addMarked adds the processes with the mark. It ignores processes that are older than
// the leader, and those in the session of another running command.
func (f *scanner) addMarked() {
	others := f.otherSessions()
	for _, s := range f.all {
		if s.StartTime >= f.leaderStart && !others[s.Session] && !f.members[s.PID] && s.PID != 1 && !s.IsDead() && HasEnvEntry(s.PID, f.mark) {
			f.members[s.PID] = true
		}
	}
}

func (f *scanner) result() Scan {
	s := Scan{groups: map[int]Stat{}, ended: map[int]bool{}, leaderReplaced: f.leaderReplaced}
	for _, p := range f.all {
		member, dead := f.members[p.PID], p.IsDead()
		inSession := f.sessions[p.Session] && p.ProcessGroup > 1 // for kill(2), 0 and -1 are not groups
		if inSession {
			s.groups[p.ProcessGroup] = p
			f.seenGroups[p.ProcessGroup] = true
		}
		switch {
		case member && !dead:
			s.Living = append(s.Living, p)
			f.verified[p.key()] = true
		case member && inSession:
			s.zombies = append(s.zombies, p.PID)
		case !member && !dead && f.mayBelong(p):
			s.unverified = append(s.unverified, p)
		case dead && f.mayBelong(p): // its parent is slow
			s.zombies = append(s.zombies, p.PID)
			s.ended[p.ProcessGroup] = true
		}
	}
	return s
}

// mayBelong reports whether a process is in the session or group with the leader's id, or in a
// group that belonged to the command in an earlier scan.
func (f *scanner) mayBelong(p Stat) bool {
	hasLeaderID := f.leader.PID > 1 && !f.leaderReplaced && (p.Session == f.leader.PID || p.ProcessGroup == f.leader.PID)
	return hasLeaderID || f.seenGroups[p.ProcessGroup]
}

// uncertaintyError names the processes that may be alive although the scan found no
// verified one. A scan is not atomic: of a process that forks and exits, it may see
// the end and miss the child. The system may also hide processes (hidepid of proc(5)).
// So uncertaintyError asks the kernel whether the groups are empty, which the kernel
// answers atomically. But the kernel counts zombies. If there are zombies, a second
// scan must find the same ones, because a child that the first scan missed is alive in
// the second.
func (t *Tree) uncertaintyError(s Scan) error {
	if len(s.unverified) > 0 {
		return UnverifiedError(s.unverified)
	}
	same := slices.Equal(s.zombies, t.lastZombies)
	t.lastZombies = s.zombies
	groups := maps.Clone(t.seenGroups)
	if t.leader.PID > 1 && !s.leaderReplaced {
		groups[t.leader.PID] = true
	}
	for g := range groups {
		_, explained := s.groups[g]
		explained = explained || s.ended[g]
		if explained && !same || !explained && mayHaveProcesses(g) {
			return fmt.Errorf("hidden processes may still run in its process group %d", g)
		}
	}
	return nil
}

// isSettled reports whether a new scan would have the same result.
func isSettled(s Scan) bool {
	return len(s.unverified) > 0 && !slices.ContainsFunc(s.unverified, Stat.isExiting)
}

func mayHaveProcesses(g int) bool { return !errors.Is(unix.Kill(-g, 0), unix.ESRCH) }

// survivorsError names the living processes and the reason.
func (t *Tree) survivorsError(s Scan) error {
	var refused, others []Stat
	for _, p := range s.Living {
		if t.isDenied(p) {
			refused = append(refused, p)
		} else {
			others = append(others, p)
		}
	}
	switch {
	case len(refused) > 0:
		return fmt.Errorf("%s could not be signaled", summarize(refused))
	case len(others) > 0:
		return fmt.Errorf("%s could not be ended", summarize(others))
	}
	return nil
}

// ErrOwnSession means that this program is in a session of the command. No process of
// that session is signaled.
var ErrOwnSession = errors.New("the command started this agent, so some of its processes may still run")

// UnverifiedError returns the error that these processes may belong to the command.
func UnverifiedError(all []Stat) error {
	return fmt.Errorf("%s may belong to the command: nothing shows which process started them", summarize(all))
}
