//go:build unix

package rabbit

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A process is one of our children and the goroutine that waits for it.
type process struct {
	pid  int
	done chan struct{} // closed by the goroutine once the process is gone
}

// launch starts cmd in a session of its own.
func launch(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	dieWithParent(cmd.SysProcAttr)
	// Grandchildren may hold the output's pipe for a moment after the end.
	cmd.WaitDelay = time.Second
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// Linux means the parent's thread when it speaks of the parent's death
		// (PR_SET_PDEATHSIG in prctl(2)), and Go may end a thread at any time
		// except one that a goroutine is locked to.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is of no interest: it was told to, or its log says why
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// alive reports whether the process runs. Only while it does is its pid ours to signal.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process and its group at once, and returns when it is gone.
func (p *process) kill() error {
	if p.alive() {
		// The process leads its group, so both calls concern our children only.
		if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	<-p.done
	return nil
}

// stop asks the process to end and kills it after the grace time.
func (p *process) stop(grace time.Duration) error {
	if p.alive() {
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	return p.kill()
}
