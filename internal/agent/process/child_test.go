//go:build unix

package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/internal/agent/process"
)

// beChild runs the test binary as a command. Its arguments are words of a small
// language that it executes in order.
func beChild() {
	link := dial()
	for words := os.Args[1:]; len(words) > 0; words = words[1:] {
		name, arg, _ := strings.Cut(words[0], "=")
		switch name {
		case "print":
			fmt.Print(arg)
		case "complain":
			fmt.Fprint(os.Stderr, arg)
		case "pattern": // this many bytes of pattern
			_, _ = io.Copy(os.Stdout, io.LimitReader(&pattern{}, number(arg)))
		case "flood": // for ever
			for block := make([]byte, 64<<10); ; {
				_, _ = os.Stdout.Write(block)
			}
		case "cat":
			_, _ = io.Copy(os.Stdout, os.Stdin)
		case "close":
			os.Stdout.Close()
		case "ignore":
			signal.Ignore(syscall.SIGTERM)
		case "confess": // a TERM is told, and is the end
			confess()
		case "stop":
			tell(link, "stopping")
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		case "stop-always": // however often it is made to go on
			tell(link, "stopping")
			for {
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		case "fork", "escape": // the next words, so many, are a child's
			n := number(arg)
			fork(words[1:1+n], name == "escape")
			words = words[n:]
		case "ask-terminal": // as a command of process.Run
			s := process.Spec{Argv: process.ShellArgv("", ": </dev/tty")}
			fmt.Print("exit ", process.Run(context.Background(), s, nil, nil).ExitCode)
		case "serve": // commands of a test's orders, see shapes_linux_test.go
			serve(link, arg)
			return
		case "few-processes":
			beStarved(int(number(arg)))
			return
		case "orphans":
			beParent(int(number(arg)))
			return
		case "agent": // one that runs the rest as a command with this mark
			beAgent(link, arg, words[1:])
			return
		case "regroup": // as a shell with job control does with a command
			if err := syscall.Setpgid(0, 0); err != nil {
				panic(err)
			}
		case "become": // a user
			if err := syscall.Setuid(int(number(arg))); err != nil {
				panic(err)
			}
		case "unmark": // for whoever is forked from now on
			os.Unsetenv(markName)
		case "sh": // the rest of this process's life
			panic(syscall.Exec("/bin/sh", []string{"sh", "-c", arg}, os.Environ()))
		case "hunt": // what the test says
			hunt(link)
		case "tell":
			tell(link, arg)
		case "await": // a byte from the test, or its end
			_, _ = link.Read(make([]byte, 1))
		case "hang":
			time.Sleep(time.Hour)
		case "exit":
			os.Exit(int(number(arg)))
		default:
			panic("no such word: " + words[0])
		}
	}
}

func confess() {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		fmt.Print("asked")
		os.Exit(0)
	}()
}

// fork starts a child with the standard streams of this process. The child is in the
// same group unless escape is set.
func fork(words []string, escape bool) {
	child := exec.Command(os.Args[0], words...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: escape}
	if err := child.Start(); err != nil {
		panic(err)
	}
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func dial() net.Conn {
	address := os.Getenv(familyAddress)
	if address == "" {
		return nil
	}
	link, err := net.Dial("unix", address)
	if err != nil {
		panic(err)
	}
	return link
}

func tell(link net.Conn, word string) { fmt.Fprintln(link, word) }

// pattern is a stream that differs at every offset and contains all byte values.
type pattern struct{ offset int64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = patternAt(p.offset + int64(i))
	}
	p.offset += int64(len(b))
	return len(b), nil
}

func patternAt(offset int64) byte { return byte(uint64(offset) * 0x9E3779B97F4A7C15 >> 56) }

// familyAddress is the variable with the socket that every process of a family
// connects to.
const familyAddress = "WARREN_PROCESS_FAMILY"

// A family connects the test to a command and its processes. Each process holds a
// connection open, so the test can wait for its end.
type family struct {
	t        *testing.T
	listener *net.UnixListener
}

func newFamily(t *testing.T) *family {
	dir, err := os.MkdirTemp("", "family") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/socket", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	return &family{t, listener}
}

// member is one process of the family.
type member struct {
	t    *testing.T
	link net.Conn
}

// patience is longer than any step of these tests, on a busy machine too: it costs only where a
// test fails.
const patience = 2 * time.Minute

func (f *family) accept() *member {
	f.t.Helper()
	_ = f.listener.SetDeadline(time.Now().Add(patience))
	link, err := f.listener.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { link.Close() })
	_ = link.SetDeadline(time.Now().Add(patience))
	return &member{f.t, link}
}

func (m *member) hear(word string) {
	m.t.Helper()
	line := make([]byte, len(word)+1)
	if _, err := io.ReadFull(m.link, line); err != nil || string(line) != word+"\n" {
		m.t.Fatalf("heard %q, %v; want %q", line, err, word)
	}
}

func (m *member) goOn() {
	m.t.Helper()
	if _, err := m.link.Write([]byte{0}); err != nil {
		m.t.Fatal(err)
	}
}

// mustBeDead waits for the end of the process.
func (m *member) mustBeDead() {
	m.t.Helper()
	if _, err := m.link.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		m.t.Fatalf("process still lives: %v", err)
	}
}

// identified runs a command that exits with status after its identity is known, and
// returns the identity. It calls known, if not nil, with the identity; Run does
// nothing else until known returns.
func (f *family) identified(ctx context.Context, timeout time.Duration, status string, known func(process.Identity)) (id process.Identity, r process.Result) {
	f.t.Helper()
	s := f.spec("tell=up", "await", "exit="+status)
	s.Timeout = timeout
	ids := make(chan process.Identity, 2)
	done := make(chan process.Result, 1)
	go func() {
		defer close(done) // also where known has ended the test
		done <- process.Run(ctx, s, func(id process.Identity) {
			ids <- id
			if known != nil {
				known(id)
			}
		}, nil)
	}()
	m := f.accept()
	m.hear("up")
	id = <-ids
	m.goOn()
	r = <-done
	if len(ids) > 0 {
		f.t.Errorf("told again: %v", <-ids)
	}
	return id, r
}

// spec returns a command with these words for the child.
func (f *family) spec(words ...string) process.Spec {
	s := spec(f.t, words...)
	s.Env = append(s.Env, familyAddress+"="+f.listener.Addr().String())
	return s
}

func spec(t testing.TB, words ...string) process.Spec {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return process.Spec{
		Argv:      append([]string{self}, words...),
		Env:       append(process.Environment("", "", ""), childMode+"=words", noCgroups+"="+os.Getenv(noCgroups), "GORACE=atexit_sleep_ms=0"),
		MaxOutput: 1 << 20,
		Timeout:   patience,
		Grace:     patience,
	}
}

func shell(t testing.TB, command string) process.Spec {
	s := spec(t)
	s.Argv = process.ShellArgv("", command)
	return s
}

// collect joins the chunks of one stream and checks that they are contiguous.
func collect(t testing.TB, stream string, chunks []process.Chunk) string {
	t.Helper()
	var all bytes.Buffer
	for _, c := range chunks {
		if len(c.Data) == 0 || len(c.Data) > process.ChunkSize {
			t.Fatalf("chunk of %d bytes", len(c.Data))
		}
		if c.Stream != stream {
			continue
		}
		if c.Offset != int64(all.Len()) {
			t.Fatalf("%s: chunk at %d after %d bytes", stream, c.Offset, all.Len())
		}
		all.Write(c.Data)
	}
	return all.String()
}

// awaitEnd waits until a process is a zombie or no longer exists.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		state, _ := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
		if len(state) == 0 || state[0] == 'Z' {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s still lives: %s", pid, state)
		}
	}
}
