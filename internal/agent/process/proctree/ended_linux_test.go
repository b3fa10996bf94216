package proctree

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process of the leader's group that has ended, and whose parent has not taken notice yet, is no
// hidden process, also if it ended before the first scan.
func TestEndedProcessOfTheLeadersGroupIsNotHidden(t *testing.T) {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid // exists until Wait
	tree := New(Identity{PID: group}, "MARK=x", nil, func() map[int]bool { return nil })
	f := scanner{
		Tree: tree, members: map[int]bool{}, sessions: map[int]bool{},
		all: []Stat{{PID: 1 << 30, state: 'Z', PPID: 1, ProcessGroup: group, Session: group}},
	}
	if err := tree.uncertaintyError(f.result()); err == nil {
		t.Error("one scan is not enough: it may have missed a child")
	}
	if err := tree.uncertaintyError(f.result()); err != nil {
		t.Error(err)
	}
	f.all = nil
	if err := tree.uncertaintyError(f.result()); err == nil {
		t.Error("a process that no scan finds is not reported")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := tree.uncertaintyError(f.result()); err != nil {
		t.Error(err)
	}
}

// A zombie that nobody reaps, in a session of the command whose leader is gone, is no hidden process.
func TestEndedProcessOfAnotherSessionIsNotHidden(t *testing.T) {
	// The zombie becomes a child of this program, which does not reap it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	cmd := exec.Command("/bin/sh", "-c", `setsid sh -c 'sleep 1000 >/dev/null & echo $$ $!; wait'; exec sleep 1000 >/dev/null`)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var session, sleep int
	if _, err := fmt.Fscan(out, &session, &sleep); err != nil {
		t.Fatal(err)
	}
	leader, err := ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	tree := New(leader.Identity(), "MARK=x", nil, func() map[int]bool { return nil })
	tree.LeaderIsChild = true
	if s, err := tree.Scan(); err != nil || len(s.Living) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, pid := range []int{session, sleep} {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for pid == session && unix.Kill(pid, 0) == nil { // until the leader has reaped it
			time.Sleep(time.Millisecond)
		}
	}
	if r := tree.Stop(0); r.Err != nil || len(r.Left) > 0 {
		t.Errorf("%+v", r)
	}
	if _, err := unix.Wait4(sleep, nil, 0, nil); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

// A living process in a group of the command is reported, if nothing shows which process started it.
func TestLivingProcessOfAKnownGroupIsReported(t *testing.T) {
	tree := New(Identity{PID: 1 << 29}, "MARK=x", nil, func() map[int]bool { return nil })
	tree.seenGroups[1<<28] = true
	f := scanner{Tree: tree, members: map[int]bool{}, sessions: map[int]bool{}, all: []Stat{
		{PID: 1 << 27, state: 'Z', PPID: 1, ProcessGroup: 1 << 28, Session: 1 << 28},
		{PID: 1<<27 + 1, state: 'S', PPID: 1, ProcessGroup: 1 << 28, Session: 1 << 28},
	}}
	for range 2 {
		if err := tree.uncertaintyError(f.result()); err == nil {
			t.Error("it is not reported")
		}
	}
}
