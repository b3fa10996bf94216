//go:build unix

package child

import (
	"errors"
	"os/exec"
	"syscall"
)

func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	dieWithParent(cmd.SysProcAttr)
}

// kill reaches the process and its group: it leads one, so both concern our
// children only.
func kill(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }
