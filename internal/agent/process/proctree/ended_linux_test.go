package proctree

import (
	"os/exec"
	"syscall"
	"testing"
)

// A process of the leader's group that has ended, and whose parent has not taken notice yet, is no
// hidden process, also if it ended before the first scan.
func TestEndedProcessOfTheLeadersGroupIsNotHidden(t *testing.T) {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
