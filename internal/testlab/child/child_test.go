//go:build unix

package child_test

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/testlab/child"
)

func TestMain(m *testing.M) {
	switch os.Getenv("CHILD_ROLE") {
	case "stubborn": // ignores TERM
		signal.Ignore(syscall.SIGTERM)
		os.Stdout.WriteString("ready\n")
		<-time.After(time.Minute)
	case "parent": // starts a child and says its pid
		p, err := child.Start(exec.Command("sleep", "600"))
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString(strconv.Itoa(p.PID) + "\n")
		<-p.Done()
	default:
		goleak.VerifyTestMain(m)
	}
}

func self(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHILD_ROLE="+role)
	return cmd
}

func TestStopKillsWhatIgnoresTERM(t *testing.T) {
	cmd := self("stubborn")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	p, err := child.Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatalf("child said %q: %v", line, err)
	}
	if err := p.Stop(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("alive after Stop")
	}
}

func TestStartFails(t *testing.T) {
	if _, err := child.Start(exec.Command("/does/not/exist")); err == nil {
		t.Error("no error for a program that does not exist")
	}
}

// On Linux a child does not survive a parent that is killed.
func TestChildDiesWithUs(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux binds a child's life to its parent's")
	}
	cmd := self("parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for i := 0; syscall.Kill(pid, 0) == nil; i++ {
		if i == 1000 {
			t.Fatalf("process %d lives on", pid)
		}
		if state, err := os.ReadFile("/proc/" + line[:len(line)-1] + "/stat"); err != nil || strings.Contains(string(state), ") Z ") {
			return // gone, or waiting for init to reap it
		}
		time.Sleep(5 * time.Millisecond) // poll: the kernel tells a grandparent nothing
	}
}
