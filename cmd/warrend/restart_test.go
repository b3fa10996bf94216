//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// What was sent while the agent was away waits in its inbox, and what was
// recalled meanwhile never begins.
func TestInbox(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	away := func(command string) string {
		return strings.TrimSpace(p.warren(0, "run", command, "--hosts", p.id, "--when-online", "1h", "--detach"))
	}
	p.warren(1, "run", "true", "--hosts", p.id, "--when-online", "1h", "--detach") // it has no inbox yet
	a := p.agent("--inbox")
	if _, err := a.Err.Await("the inbox was read to its end", 0); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	kept, recalled := away("echo kept >> ran"), away("echo recalled >> ran")
	p.has(p.warren(1, "check_task", kept), "waits in the host's inbox")
	p.has(p.warren(0, "cancel", recalled), "1 recall pending")
	p.agent("--inbox")
	p.eventually(func() error { return exec.Command("grep", "-q", "kept", p.home+"/ran").Run() })
	p.has(p.warren(0, "wait", kept), "1 ok")
	p.has(p.warren(1, "wait", recalled), "1 canceled")
	if ran := p.read("ran"); ran != "kept\n" {
		t.Errorf("the host ran %q", ran)
	}
}

// An agent that is killed while a command runs says so when it is back, and has
// killed what survived; what waited runs then; nothing runs twice.
func TestKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent("--workers", "1")
	run := func(command string) string {
		return strings.TrimSpace(p.warren(0, "run", command, "--hosts", p.id, "--start-timeout", "5m", "--timeout", "10m", "--detach"))
	}
	interrupted := run("echo first >> ran; echo $$ > shell; sleep 600; echo survived >> ran")
	p.exists("shell")
	waited := run("echo second >> ran")
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	p.agent("--workers", "1")
	p.has(p.warren(1, "wait", interrupted), "interrupted", "what was left of it has been killed")
	p.has(p.warren(0, "wait", waited), "1 ok")
	if ran := p.read("ran"); ran != "first\nsecond\n" {
		t.Errorf("the host ran %q", ran)
	}
	if out, _ := exec.Command("ps", "-o", "stat=", "-p", strings.TrimSpace(p.read("shell"))).Output(); len(out) > 0 && out[0] != 'Z' {
		t.Errorf("the command lives on: %s", out)
	}
}

// Two agents cannot share a data directory, and a new journal refuses what was
// issued before it was made.
func TestDataDirectory(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent()
	second := exec.Command(p.bin+"/warrend", "--id", p.id+"-b", "--allow-unsigned", "--data-dir", p.home+"/agent-"+p.id, "--broker", p.broker)
	out, err := second.CombinedOutput()
	if second.ProcessState.ExitCode() != 2 {
		t.Errorf("a second agent: %v\n%s", err, out)
	}
	p.has(string(out), "error: ", "another agent", "hint: ")

	if err := a.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Sent to the queue of an agent that will not take it any more.
	op := p.operator("run", "echo ran >> ran", "--hosts", p.id)
	p.eventually(func() error {
		id := regexp.MustCompile(`"id":"([^"]*)"`).FindStringSubmatch(p.warren(0, "tasks", "--json"))
		if id == nil {
			return errors.New("no task yet")
		}
		if text := p.warren(1, "check_task", id[1], "--json"); !strings.Contains(text, `"state":"sent"`) {
			return errors.New(text)
		}
		return nil
	})
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	p.agent("--reset-journal")
	if code, err := op.Wait(); err != nil || code != 1 {
		t.Errorf("operator: status %d, %v", code, err)
	}
	p.has(op.Out.String(), "lost", "may have run")
	if _, err := os.Stat(p.home + "/ran"); err == nil {
		t.Error("it ran on the new journal")
	}
}

// A new journal takes nothing that its tolerance makes doubtful, and both sides
// say from when on it will.
func TestNewJournalIsTooYoung(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.agent("--clock-tolerance", "1h")
	p.has(a.Err.String(), "the journal is new", "takes_jobs_from=")
	p.has(p.warren(1, "run", "echo ran >> ran", "--hosts", p.id), "rejected", "the agent's journal is new; it accepts jobs issued from ")
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	p.agent("--clock-tolerance", "1ms")
	p.has(p.warren(0, "run", "echo ran >> ran", "--hosts", p.id), "1 ok")
	if ran := p.read("ran"); ran != "ran\n" {
		t.Errorf("the host ran %q", ran)
	}
}
