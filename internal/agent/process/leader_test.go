//go:build unix

package process

import (
	"errors"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Until the leader is reaped, it stays a zombie and keeps its ids, even if wait is
// called repeatedly.
func TestWaitLeavesZombie(t *testing.T) {
	t.Parallel()
	l, err := startLeader(exec.Command("/bin/sh", "-c", "read line; exit 3"), Spec{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.wait(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(-l.pid(), 0); !l.exited() || (err != nil && !errors.Is(err, unix.EPERM)) {
			t.Fatalf("exited %v, group: %v", l.exited(), err)
		}
	}
	if code, signal, err := l.reap(); code != 3 || signal != "" || err != nil {
		t.Errorf("%d, %q, %v", code, signal, err)
	}
}
