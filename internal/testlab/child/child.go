package child

import (
	"os/exec"
	"runtime"
	"time"
)

// A Process is a running child.
type Process struct {
	PID  int
	done chan struct{} // closed by the goroutine that waits, once the process is gone
}

// Start starts cmd.
func Start(cmd *exec.Cmd) (*Process, error) {
	detach(cmd)
	// Grandchildren may hold the output's pipe for a moment after the end.
	cmd.WaitDelay = time.Second
	p := &Process{done: make(chan struct{})}
	started := make(chan error, 1) // one answer
	go func() {
		defer close(p.done)
		// Linux means the parent's thread when it speaks of the parent's death
		// (PR_SET_PDEATHSIG in prctl(2)), and Go may end a thread at any time
		// except one that a goroutine is locked to.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.PID = cmd.Process.Pid
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

// Done is closed once the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive reports whether the process runs. Only while it does is its pid ours to
// signal.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process and its group at once, and returns when it is gone.
func (p *Process) Kill() error {
	var err error
	if p.Alive() {
		err = kill(p.PID)
	}
	if err == nil {
		<-p.done
	}
	return err
}

// Stop asks the process to end and kills it after the grace time.
func (p *Process) Stop(grace time.Duration) error {
	if p.Alive() {
		terminate(p.PID)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	return p.Kill()
}
