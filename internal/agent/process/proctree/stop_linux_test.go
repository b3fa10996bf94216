package proctree

import (
	"bufio"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noDescriptors lets this program open nothing until restore is called.
func noDescriptors(t *testing.T) (restore func()) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
}

// A command that ignores TERM is killed after the grace time, also if the processes cannot be listed:
// the agent has no descriptor left, or /proc hides those of others.
func TestStopKillsIfProcessesCannotBeListed(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", `trap "echo term" TERM; echo up; while :; do :; done`)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	leader, err := ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	tree := New(leader.Identity(), "MARK=x", nil, func() map[int]bool { return nil })
	tree.LeaderIsChild = true
	restore := noDescriptors(t)
	result := tree.Stop(2 * time.Second)
	restore()
	if !result.ReachedLeader || !errors.Is(result.Err, unix.EMFILE) {
		t.Errorf("%+v", result)
	}
	late := time.AfterFunc(10*time.Second, func() {
		t.Error("it still runs")
		_ = cmd.Process.Kill()
	})
	defer late.Stop()
	said := ""
	for lines.Scan() {
		said += lines.Text()
	}
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL || said != "term" {
		t.Errorf("the command said %q and ended with %v", said, err)
	}
}
