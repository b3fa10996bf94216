package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"warren/internal/agent/process"
)

// A shape is a way in which commands start processes. XX stands for an odd number of
// seconds that only this command sleeps, so that its processes can be counted by their
// arguments. FF stands for a file of the command.
type shape struct {
	name    string
	command string
	up      int // processes with XX in their arguments, at least, once it is under way
	// needs are programs that the command uses beside those of every system.
	needs string
	// stubborn: it withstands TERM, so the grace time is over before it ends.
	stubborn bool
	// cleans: when it is asked to end it writes "cleaned" into FF.
	cleans bool
	// hidden: nothing but a cgroup shows whose one of its processes is.
	hidden bool
}

// worker prints nothing, because SIGPIPE would end it after its agent was killed.
const worker = `exec >/dev/null 2>&1; trap 'sleep 0.1; echo cleaned >>FF; exit 0' TERM; sleep XX & wait; echo not asked >>FF`

var shapes = []shape{
	{name: "one program", command: "exec sleep XX", up: 1},
	{name: "shell", command: "sleep XX; true", up: 2},
	{name: "children", command: "sleep XX & sleep XX & sleep XX", up: 4},
	{name: "pipe", command: "sleep XX | cat | cat", up: 2},
	{name: "list", command: "cd / && sleep XX; true", up: 2},
	{name: "timeout(1)", command: "cd / && timeout 7200 sleep XX; true", up: 3},
	{name: "timeout(1) in the background", command: "timeout 7200 timeout 7100 sleep XX & wait", up: 4},
	{name: "nohup", command: "nohup sleep XX >/dev/null 2>&1 & wait", up: 2},
	{name: "setsid", command: "setsid sleep XX & wait", up: 2},
	{name: "setsid, forked", command: "setsid --fork sleep XX; sleep XX", up: 3},
	{name: "double fork", command: "(setsid sleep XX &); (sleep XX &); sleep XX", up: 4},
	{name: "daemon by double fork", command: `perl -e 'use POSIX; fork and exit; POSIX::setsid(); fork and exit; sleep XX' ; sleep XX`, up: 3, needs: "perl"},
	{name: "daemon with children", command: `perl -e 'use POSIX; fork and exit; POSIX::setsid(); fork; fork; sleep XX' ; sleep XX`, up: 6, needs: "perl"},
	{name: "own group", command: `perl -e 'setpgrp; sleep XX'; true`, up: 2, needs: "perl"},
	{name: "own groups of children", command: `perl -e 'for (1..3) { fork or do { setpgrp; sleep XX; exit } } sleep XX'`, up: 4, needs: "perl"},
	{name: "job control", command: "bash -c 'set -m; sleep XX & sleep XX & wait'; true", up: 4, needs: "bash"},
	{name: "disowned", command: "bash -c 'sleep XX & disown -a; sleep XX'", up: 3, needs: "bash"},
	{name: "coprocess", command: "bash -c 'coproc sleep XX; sleep XX'", up: 3, needs: "bash"},
	{name: "dash", command: "dash -c 'sleep XX & wait'; true", up: 3, needs: "dash"},
	{name: "script file", command: `printf '#!/bin/sh\nsleep XX &\nwait\n' >FF; chmod +x FF; FF; true`, up: 2},
	{name: "terminal of its own", command: "script -qc 'sleep XX; true' /dev/null </dev/null; true", up: 2, needs: "script"},
	{name: "xargs", command: "echo XX XX XX | xargs -n 1 -P 3 sleep", up: 4},
	{name: "find", command: "find / -maxdepth 0 -exec sleep XX ';'", up: 2},
	{name: "exec chain", command: `exec sh -c "exec sh -c 'exec sh -c \"exec sleep XX\"'"`, up: 1},
	{name: "another user", command: "setpriv --reuid 65534 --clear-groups sleep XX; true", up: 2, needs: "setpriv"},
	{name: "its own process ids", command: "unshare --pid --fork sleep XX; true", up: 3, needs: "unshare", stubborn: true},
	{name: "stopped", command: "sh -c 'sleep XX & kill -STOP $$; wait'; true", up: 3},
	{name: "stopped child", command: "sleep XX & kill -STOP $!; wait", up: 2},
	{name: "ignoring TERM", command: `trap "" TERM; sleep XX & sleep XX; sleep XX`, up: 3, stubborn: true},
	{name: "child ignoring TERM", command: `sh -c 'trap "" TERM; sleep XX; sleep XX' & wait`, up: 2, stubborn: true},
	{name: "daemon ignoring TERM", command: `perl -e 'use POSIX; $SIG{TERM} = "IGNORE"; fork and exit; POSIX::setsid(); sleep XX'; sleep XX`, up: 3, needs: "perl", stubborn: true},
	{name: "stopping itself again and again", command: `perl -e '$SIG{TERM} = "IGNORE"; for (1..100000) { kill "STOP", $$ } XX' ; true`, up: 2, needs: "perl", stubborn: true},
	{name: "cleaning up", command: worker, up: 1, cleans: true},
	{name: "cleaning up in a list", command: "cd / && sh -c \"" + worker + "\"; true", up: 2, cleans: true},
	{name: "cleaning up in a pipe", command: "sh -c \"" + worker + "\" | cat", up: 2, cleans: true},
	{name: "cleaning up below bash", command: "bash -c \"sh -c \\\"" + worker + "\\\"; true\"; true", up: 3, needs: "bash", cleans: true},
	{name: "cleaning up in a session of its own", command: "setsid sh -c \"" + worker + "\" & wait", up: 2, cleans: true},
	{name: "cleaning up below timeout(1)", command: "timeout 7200 sh -c \"" + worker + "\" & wait", up: 2, cleans: true},
	{name: "forking while it is killed", command: `trap "" TERM; i=0; while [ $i -lt 150 ]; do sleep XX & i=$((i+1)); done; wait`, up: 5, stubborn: true},
	{name: "forking sessions while it is killed", command: `trap "" TERM; i=0; while [ $i -lt 100 ]; do setsid sleep XX & i=$((i+1)); done; wait`, up: 5, stubborn: true},
	{name: "forking parents", command: `perl -e '$SIG{TERM} = "IGNORE"; for (1..200) { fork and exit } sleep XX' & sleep XX`, up: 2, needs: "perl", stubborn: true},
	{name: "no environment", command: "env -i /bin/sleep XX; true", up: 2},
	{name: "no environment, own session", command: "env -i setsid sleep XX & wait", up: 2},
	{name: "no environment, own session, forked", command: "env -i setsid --fork sleep XX; sleep XX", up: 3, hidden: true},
	{name: "no standard streams", command: "exec <&- >&- 2>&-; sleep XX; true", up: 2},
	{name: "grandchild with the pipes", command: "(sleep XX & sleep XX & wait) & wait", up: 3},
}

// A trial is one run of a shape.
type trial struct {
	shape
	x, file string
	order   order
}

func (s shape) trial(dir string, n int) *trial {
	t := &trial{shape: s, x: fmt.Sprint(1_000_000_000 + os.Getpid()%30_000*10_000 + n), file: fmt.Sprint(dir, "/", n)}
	command := strings.NewReplacer("XX", t.x, "FF", t.file).Replace(s.command)
	t.order = order{
		Argv: []string{"/bin/sh", "-c", command}, Timeout: time.Hour, Grace: patience,
		Mark: fmt.Sprint(markName, "=shape-", os.Getpid(), "-", n),
	}
	if s.stubborn {
		t.order.Grace = 200 * time.Millisecond
	}
	return t
}

// alive lists the processes that have the trial's number in their arguments.
func (t *trial) alive(all map[int][]byte) (pids []int) {
	for pid, arguments := range all {
		if bytes.Contains(arguments, []byte(t.x)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// arguments returns the arguments of all processes except zombies.
func arguments() map[int][]byte {
	all := map[int][]byte{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if text, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && len(text) > 0 {
			all[pid] = text
		}
	}
	return all
}

// recently caches the result of arguments.
var recently struct {
	sync.Mutex
	at  time.Time
	all map[int][]byte
}

func recentArguments() map[int][]byte {
	recently.Lock()
	defer recently.Unlock()
	if time.Since(recently.at) > 200*time.Millisecond {
		recently.all, recently.at = arguments(), time.Now()
	}
	return recently.all
}

// underWay waits until all processes of the trial have started.
func (t *trial) underWay(within time.Duration) error {
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		all := recentArguments()
		n := len(t.alive(all))
		sleeps := slices.ContainsFunc(slices.Collect(maps.Values(all)), func(a []byte) bool { return string(a) == "sleep\x00"+t.x+"\x00" })
		if n >= t.up && (sleeps || !t.cleans) { // its trap is set before it sleeps
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d processes, want %d", n, t.up)
		}
	}
}

// ended compares the processes that are left with the reported ones.
func (t *trial) ended(left, killed int, stopError string) error {
	alive := t.alive(arguments())
	for _, pid := range alive {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	cleaned, _ := os.ReadFile(t.file)
	switch {
	case len(alive) != left || (left > 0) != (stopError != ""):
		return fmt.Errorf("processes %v are alive, the result says %d, %q", alive, left, stopError)
	case left > 0 && !t.hidden:
		return fmt.Errorf("processes %v are alive: %s", alive, stopError)
	case killed == 0:
		return fmt.Errorf("the result says that none was killed")
	case t.cleans && !strings.HasPrefix(string(cleaned), "cleaned"):
		return fmt.Errorf("it could not clean up: %q", cleaned)
	case t.cleans && string(cleaned) != "cleaned\n":
		return fmt.Errorf("it was asked to end more than once: %q", cleaned)
	}
	return nil
}

var trials atomic.Int64

// atOnce is the number of parallel trials.
const atOnce = 12

// each runs do for trials of all shapes.
func each(t *testing.T, do func(*trial) error) {
	t.Helper()
	dir := t.TempDir()
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, s := range shapes {
		if _, err := exec.LookPath(s.needs); s.needs != "" && err != nil {
			t.Logf("%s: skipped: %v", s.name, err)
			continue
		}
		slots <- struct{}{}
		trial := s.trial(dir, int(trials.Add(1)))
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(trial); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		})
	}
	all.Wait()
}

// modes are the ways in which processes are found.
func modes() map[string]string {
	m := map[string]string{"no cgroup": noCgroups + "=1"}
	if process.HasCgroups() {
		m["cgroup"] = noCgroups + "="
	}
	return m
}

// All processes of a command end at its timeout, on a cancel, and when the agent
// stops. Those that do not end are counted.
func TestEveryShapeEnds(t *testing.T) {
	t.Parallel()
	for mode, env := range modes() {
		f := newFamily(t)
		f.open()
		s := f.serverOf("/proc/self/exe", []string{env})
		for _, way := range []string{"timeout", "cancel", "leave"} {
			t.Run(mode+", "+way, func(t *testing.T) {
				each(t, func(trial *trial) error {
					if trial.hidden && mode != "cgroup" {
						return nil // see TestHiddenProcessIsCounted
					}
					if way == "leave" && !trial.stubborn {
						return nil // it differs from a cancel for what does not end
					}
					return s.end(trial, way)
				})
			})
		}
	}
}

// timeout is long enough for a command to start all its processes.
const timeout = 2 * time.Second

// end runs a trial and makes it end.
func (s *server) end(t *trial, way string) error {
	if way == "timeout" {
		t.order.Timeout = timeout
	}
	o, err := s.order(t.order)
	if err != nil {
		return err
	}
	within := patience
	if way == "timeout" {
		within = timeout
	}
	err = t.underWay(within)
	switch {
	case err != nil && way == "timeout": // on a busy machine, and it has ended by now
		t.cleans = false
	case err != nil:
		return err
	}
	if way != "timeout" {
		if err := o.send(order{Cancel: way == "cancel", Leave: way == "leave"}); err != nil {
			return err
		}
	}
	a, err := o.result()
	if err != nil {
		return err
	}
	if r := a.Result; r.TimedOut != (way == "timeout") || r.Canceled == r.TimedOut || a.Err != "" {
		return fmt.Errorf("%+v, %q", r, a.Err)
	}
	return t.ended(a.Result.LeftCount, a.Result.Killed, a.StopError)
}

// Processes that outlive a killed agent end when the next agent starts.
func TestEveryShapeEndsAfterCrash(t *testing.T) {
	t.Parallel()
	for mode, env := range modes() {
		t.Run(mode, func(t *testing.T) {
			f := newFamily(t)
			s := f.serverOf("/proc/self/exe", []string{env})
			var mu sync.Mutex
			began := map[*trial]process.Identity{}
			each(t, func(trial *trial) error {
				if trial.hidden && mode != "cgroup" {
					return nil
				}
				o, err := s.order(trial.order)
				if err != nil {
					return err
				}
				id, err := o.started()
				mu.Lock()
				began[trial] = id
				mu.Unlock()
				return errors.Join(err, trial.underWay(patience))
			})
			s.kill()
			var all sync.WaitGroup
			for trial, id := range began {
				all.Go(func() {
					r, err := process.KillSurvivors(id, trial.order.Mark, trial.order.Grace)
					if err := trial.ended(r.LeftCount, r.Killed, textOf(err)); err != nil {
						t.Errorf("%s: %v", trial.name, err)
					}
				})
			}
			all.Wait()
		})
	}
}

// A process that only a cgroup could verify is reported and not signaled if there is
// no cgroup.
func TestHiddenProcessIsCounted(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.serverOf("/proc/self/exe", []string{noCgroups + "=1"})
	each(t, func(trial *trial) error {
		if !trial.hidden {
			return nil
		}
		return s.end(trial, "cancel")
	})
}
