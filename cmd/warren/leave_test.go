//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/internal/datadir"
	"warren/internal/testlab/clitest"
)

// leaveTime is what a process that was told to end may take: 5 s, and four times as much on
// a busy machine. What it would wait for lasts longer.
const leaveTime = 20 * time.Second

// leaves sends a signal and wants the process to end soon, with status 1.
func leaves(t *testing.T, p *clitest.Process, sig os.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	status := ended(t, p)
	if took := time.Since(began); status != 1 || took > leaveTime {
		t.Errorf("%s: status %d after %s\n%s", sig, status, took, clip(p.Err.String()))
	}
}

// silent stops an agent, so that its queue takes requests and nobody answers.
func silent(t *testing.T, agent *clitest.Process) (wake func()) {
	t.Helper()
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wake = func() {
		if err := agent.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(wake) // it is ended by TERM
	return wake
}

// Whoever is told to end while a host is silent leaves, and the next process asks.
func TestLeavesSilentHost(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.withoutInterruptTimeout()
	a, agent := p.agent("a")
	p.want(0, "run", "true", "--hosts", a) // its journal is no longer new
	wake := silent(t, agent)
	// Jobs that are not sent before their operator leaves never arrive.
	var tasks []string
	begin := func(args ...string) *clitest.Process {
		t.Helper()
		proc := p.start(append([]string{"run", "echo arrived", "--hosts", a}, args...)...)
		eventually(t, func() error {
			r := p.warren("tasks", "--json")
			if n := strings.Count(r.out, `"command":"echo arrived"`); n != len(tasks)+1 {
				return fmt.Errorf("%d tasks: %s", n, r)
			}
			id := between(r.out, `"id":"`, `"`)
			if !strings.Contains(p.warren("check_task", id).out, "sent") {
				return fmt.Errorf("not sent: %s", p.warren("check_task", id))
			}
			tasks = append(tasks, id)
			return nil
		})
		return proc
	}

	shell := begin()
	leaves(t, shell, syscall.SIGTERM)
	has(t, shell.Err.String(), "error: warren was stopped; task "+tasks[0]+" is still running", "hint: warren check_task "+tasks[0][:8], "exited before every host had confirmed its job: "+tasks[0])
	leaves(t, begin("--stream"), syscall.SIGHUP)
	leaves(t, begin("--detach"), syscall.SIGTERM)

	twice := begin()
	if err := twice.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	await(t, &twice.Err, `detached: task \S+ is still running`)
	leaves(t, twice, os.Interrupt)
	has(t, twice.Err.String(), "canceling task "+tasks[3])

	prompt := p.start()
	fmt.Fprintf(prompt.In, "run 'echo arrived' --hosts %q\n", a)
	await(t, &prompt.Out, `task on 1 host: \S+`)
	leaves(t, prompt, syscall.SIGTERM)

	wake()
	for _, id := range tasks[:3] {
		has(t, p.want(0, "wait", id).out, "arrived", "done: 1 ok")
	}
	if info, err := os.Stat(filepath.Join(p.data, "results.db-wal")); err == nil && info.Size() > 0 {
		t.Errorf("results.db-wal has %d bytes", info.Size())
	}
}

// between is the text between the first occurrence of two others.
func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

// listening takes connections and never says a word.
func listening(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// asked waits until somebody has connected and spoken.
func asked(t *testing.T, l net.Listener) {
	t.Helper()
	late := time.AfterFunc(clitest.Patience, func() { _ = l.Close() })
	defer late.Stop()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestLeavesSilentBroker(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	broker := listening(t, "tcp", "127.0.0.1:0")
	p.broker = "amqp://" + broker.Addr().String() + "/"
	shell := p.start("run", "true", "--hosts", "a")
	asked(t, broker)
	leaves(t, shell, syscall.SIGTERM)
}

// A signature may wait for a person who has gone.
func TestLeavesSilentSigner(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	signer := listening(t, "unix", filepath.Join(p.dir, "agent"))
	cmd := p.command("run", "true", "--hosts", "a")
	public := filepath.Join(p.dir, "key.pub")
	line, err := os.ReadFile(clitest.Identity() + ".pub")
	if err == nil {
		err = os.WriteFile(public, line, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+signer.Addr().String(), "WARREN_IDENTITY="+public)
	shell, err := clitest.Start(cmd, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shell.Kill() })
	asked(t, signer)
	leaves(t, shell, syscall.SIGTERM)
}

// Another process may hang while it opens the result store.
func TestLeavesLockedStore(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := os.Mkdir(p.data, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := datadir.Try(filepath.Join(p.data, "open.lock"))
	if err != nil || lock == nil {
		t.Fatal(lock, err)
	}
	shell := p.start("tasks")
	eventually(t, func() error { // what is opened before the store
		_, err := os.Stat(filepath.Join(p.data, "view_command.log"))
		return err
	})
	leaves(t, shell, syscall.SIGTERM)
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

// Nobody may read what is printed any more.
func TestLeavesStuckPipe(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	const large = "head -c 900000 /dev/zero | tr '\\0' x"
	run := []string{"run", large, "--hosts", a}
	id := between(p.want(0, append(run, "--json")...).out, `"id":"`, `"`)
	for _, args := range [][]string{
		append(run[:4:4], "--stream"), append(run[:4:4], "--json"), append(run[:4:4], "--jsonl"), run, {"check_task", id, "--raw"}, {"watch", id, "--stream"},
	} {
		for _, end := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			t.Run(args[0]+" "+args[len(args)-1]+" "+end.String(), func(t *testing.T) {
				t.Parallel()
				read, write, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer read.Close()
				cmd := p.command(args...)
				cmd.Stdout, cmd.Stderr = write, write
				err = cmd.Start()
				_ = write.Close()
				if err != nil {
					t.Fatal(err)
				}
				stuck := make(chan []byte, 1) // where it is, if it does not leave
				late := time.AfterFunc(clitest.Patience, func() {
					_ = cmd.Process.Signal(syscall.SIGQUIT)
					all, _ := io.ReadAll(read)
					stuck <- bytes.TrimLeft(all, "x")
				})
				defer late.Stop()
				if _, err := io.ReadFull(read, make([]byte, 1000)); err != nil { // the first of the output has come
					t.Fatal(err)
				}
				defer signalAgain(cmd.Process, end)()
				began := time.Now()
				_ = cmd.Wait() // the state says how it ended
				took, status := time.Since(began), cmd.ProcessState.ExitCode()
				if !late.Stop() {
					t.Fatalf("it did not leave:\n%s", <-stuck)
				}
				if took > leaveTime || status != 1 {
					t.Errorf("status %d after %s", status, took)
				}
			})
		}
	}
}

// signalAgain sends a signal, and Ctrl-C once more each half second, as people do.
func signalAgain(p *os.Process, s os.Signal) (stop func()) {
	_ = p.Signal(s)
	if s != os.Interrupt {
		return func() {}
	}
	again, ended, stopped := time.NewTicker(500*time.Millisecond), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-again.C:
				_ = p.Signal(s) // an error means that it has ended
			case <-ended:
				return
			}
		}
	}()
	return func() {
		again.Stop()
		close(ended)
		<-stopped
	}
}

// The pager may be left open.
func TestLeavesPager(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	cmd := p.command("run", "seq 1000", "--hosts", a)
	cmd.Env = append(cmd.Env, `PAGER=sh -c "echo paging; exec sleep 40"`)
	term := clitest.StartTerminal(t, cmd, 80)
	term.Expect(`paging`)
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status, took := term.End(), time.Since(began); status != 1 || took > leaveTime {
		t.Errorf("status %d after %s", status, took)
	}
}
