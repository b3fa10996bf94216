package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/hint"
	"warren/internal/testlab/child"
)

// stopTime is how long an agent may take to leave after TERM.
const stopTime = 15 * time.Second

// separate are agents that are processes of their own.
type separate struct {
	agents []*agentProcess
	pipes  *errgroup.Group // copy each agent's log to its file
}

type agentProcess struct {
	id   string
	proc *child.Process
	up   chan struct{} // closed by the goroutine that reads the log, at the first "ready"
	log  string
}

// processes starts one warrend for each host. The first pid and the log are
// found by the host's name in dir.
func processes(c Config, url, dir string) (fleet, error) {
	program, err := findWarrend(c.Warrend)
	if err != nil {
		return nil, err
	}
	f := &separate{pipes: new(errgroup.Group)}
	for _, host := range c.Hosts {
		a, err := f.start(c, program, url, dir, host)
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		f.agents = append(f.agents, a)
	}
	return f, nil
}

func (f *separate) start(c Config, program, url, dir, host string) (*agentProcess, error) {
	home := filepath.Join(dir, "agents", strings.ReplaceAll(host, ":", "_"))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	a := &agentProcess{id: host, up: make(chan struct{}), log: home + ".log"}
	file, err := os.Create(a.log)
	if err != nil {
		return nil, err
	}
	args := []string{"--config=", "--id", host, "--data-dir", home, "--authorized-operators", operators(dir), "--log-format", "json", "--clock-tolerance", OneClock.String()}
	if c.Inbox {
		args = append(args, "--inbox")
	}
	if c.Workers > 0 {
		args = append(args, "--workers", strconv.Itoa(c.Workers))
	}
	cmd := exec.Command(program, args...)
	if c.Private != "" {
		own := home + ".private"
		if err := os.MkdirAll(own, 0o700); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		cmd = Private(own, c.Private, program, args...)
	}
	cmd.Env = append(os.Environ(), "WARREND_BROKER="+url) // a password in arguments would be everybody's to read
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	cmd.Stderr = w
	a.proc, err = child.Start(cmd)
	w.Close()
	if err != nil {
		return nil, errors.Join(err, r.Close(), file.Close())
	}
	f.pipes.Go(func() error { return a.copyLog(r, file) })
	return a, nil
}

// Private is a program that sees the directory own at the path as. It needs root on Linux.
func Private(own, as, program string, args ...string) *exec.Cmd {
	const script = `mount --bind "$1" "$2" && shift 2 && exec "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", own, as, program}, args...)...)
}

// copyLog ends with the agent, whose end of the pipe is the last.
func (a *agentProcess) copyLog(r, file *os.File) error {
	defer r.Close()
	defer file.Close()
	lines := bufio.NewReader(r)
	for ready := false; ; {
		line, err := lines.ReadBytes('\n')
		if _, err := file.Write(line); err != nil {
			return err
		}
		var entry struct {
			Msg string `json:"msg"`
		}
		if !ready && json.Unmarshal(line, &entry) == nil && entry.Msg == "ready" {
			ready = true
			close(a.up)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (f *separate) ready(ctx context.Context) error {
	for _, a := range f.agents {
		select {
		case <-a.up:
		case <-a.proc.Done():
			said, _ := os.ReadFile(a.log)
			return fmt.Errorf("the agent of %s has ended: %s", a.id, strings.TrimSpace(string(said)))
		case <-ctx.Done():
			return fmt.Errorf("the agent of %s is not ready: %w", a.id, ctx.Err())
		}
	}
	return nil
}

func (f *separate) up() int { return 0 }

func (f *separate) pids() (pids []int) {
	for _, a := range f.agents {
		pids = append(pids, a.proc.PID)
	}
	return pids
}

func (f *separate) stop() error {
	stopping := new(errgroup.Group)
	for _, a := range f.agents {
		stopping.Go(func() error { return a.proc.Stop(stopTime) })
	}
	return errors.Join(stopping.Wait(), f.pipes.Wait())
}

// findWarrend looks beside this program, then in the PATH.
func findWarrend(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	name := "warrend"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(self), name); isProgram(path) {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", hint.New("the agents' program warrend is neither beside this one nor in the PATH",
			"make build, or use --in-process")
	}
	return path, nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
