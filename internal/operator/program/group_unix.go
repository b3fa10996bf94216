//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// runGroup runs the program in a process group, so that a timeout kills what it started, too. It
// ends the processes that the program has left behind.
func runGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	err := cmd.Run()
	if cmd.Process != nil {
		_ = kill() // an error where none is left
	}
	return err
}
