package program

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"

	"warren/internal/jobobject"
)

// runGroup runs the program in a job object, so that a timeout kills what it started, too. It
// ends the processes that the program has left behind. Ctrl-C is for this process alone, as for
// a process group on Unix.
func runGroup(cmd *exec.Cmd) error {
	job, err := jobobject.New()
	if err != nil {
		return err
	}
	defer job.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	// Before it is in the job, the process is suspended and alone.
	cmd.Cancel = func() error { return errors.Join(job.Terminate(), cmd.Process.Kill()) }
	if err := job.Start(cmd); err != nil {
		return err
	}
	err = cmd.Wait()
	_ = job.Terminate() // an error where none is left
	return err
}
