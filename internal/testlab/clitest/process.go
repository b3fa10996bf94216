package clitest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a program under test.
type Process struct {
	Out, Err Text
	In       io.WriteCloser // nil unless Start was told

	cmd  *exec.Cmd
	done chan struct{} // closed once it is gone and all it printed is there
}

// Start starts cmd; stdin says whether it gets a pipe to read from.
func Start(cmd *exec.Cmd, stdin bool) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Out, &p.Err
	cmd.WaitDelay = 5 * time.Second // for the pipes, where a child has kept them
	if stdin {
		var err error
		if p.In, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the state says how it ended
		p.Out.end()
		p.Err.end()
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal; to a process that is gone, none.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait waits for the end and returns the exit status, -1 after a signal.
func (p *Process) Wait() (int, error) {
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-late.C:
		return 0, fmt.Errorf("%v has not ended within %s; it printed:\n%s\n%s", p.cmd.Args, Patience, tail(p.Out.String()), tail(p.Err.String()))
	}
}

// Kill ends it at once.
func (p *Process) Kill() error {
	if err := p.Signal(os.Kill); err != nil {
		return err
	}
	_, err := p.Wait()
	return err
}

// Stop asks it to end as a service manager does, and wants status 0.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	status, err := p.Wait()
	if err != nil {
		return errors.Join(err, p.Kill())
	}
	if status != 0 {
		return fmt.Errorf("%v ended with status %d:\n%s", p.cmd.Args, status, tail(p.Err.String()))
	}
	return nil
}

// tolerance is the agents' --clock-tolerance: they have the operators' clock.
const tolerance = 10 * time.Millisecond

// StartAgent starts a warrend and returns once it answers to its names, and takes what
// is issued from then on: for a name that is newly taken that is so after the
// tolerance.
func StartAgent(bin, brokerURL, home, id string, args ...string) (*Process, error) {
	a, err := LaunchAgent(bin, brokerURL, home, id, args...)
	if err != nil {
		return nil, err
	}
	if _, err := a.Err.Await(`msg=ready`, 0); err != nil {
		return nil, errors.Join(err, a.Kill())
	}
	time.Sleep(tolerance + 2*time.Millisecond)
	return a, nil
}

// LaunchAgent starts a warrend and does not wait.
func LaunchAgent(bin, brokerURL, home, id string, args ...string) (*Process, error) {
	cmd := exec.Command(bin+"/warrend", append([]string{"--id", id, "--data-dir", home + "/agent-" + id}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+home, "WARREND_BROKER="+brokerURL, "WARREND_DRAIN_GRACE=1s", "WARREND_CLOCK_TOLERANCE="+tolerance.String())
	return Start(cmd, false)
}

// Eventually calls try until it returns nil, with a pause between, and returns
// its last error when patience is at an end.
func Eventually(try func() error) error {
	late := time.NewTimer(Patience)
	defer late.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late.C:
			return fmt.Errorf("still after %s: %w", Patience, err)
		}
	}
}
