//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

// order is a command that writes the host's name down as it begins.
func order(file string) string { return `echo $WARREN_HOST >>` + file }

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// A rollout to its end, stage by stage.
func TestRollout(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	c, _ := p.agent("c")
	file := p.dir + "/order"
	r := p.want(0, "run", order(file), "--hosts", a+","+b+","+c, "--rollout", "1,100%", "--soak", "200ms")
	has(t, r.err, "stage 1 of 2: 1 host, "+a+"\n", "stage 1 of 2 has ended: 0 failed so far; the next starts in 200ms", "stage 2 of 2: 2 hosts, ")
	has(t, r.out, "done: 3 ok")
	if got := lines(t, file); len(got) != 3 || got[0] != a {
		t.Errorf("begun in the order %v", got)
	}
}

// The content of a push is there for each stage, and goes to no further one after too many failures.
func TestRolloutOfPush(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	source, target := filepath.Join(p.dir, "source"), filepath.Join(p.dir, "target")
	writeRandom(t, source, 1<<20)
	push := func(status int, args ...string) result {
		t.Helper()
		return p.want(status, append([]string{"push", source, "--hosts", a + " " + b, "--rollout", "1,2"}, args...)...)
	}
	// The hosts share a file system, so that the second one would have the file.
	r := push(0, "--to", target, "--verify", "mv "+target+" "+target+"-$WARREN_HOST")
	has(t, r.out, "done: 2 ok")
	for _, host := range []string{a, b} {
		sameFile(t, source, target+"-"+host)
	}
	eventually(t, p.streamsLeft)

	r = push(1, "--to", filepath.Join(p.dir, "missing", "file"), "--max-failures", "0")
	has(t, r.out, "no such directory", "done: 1 exited with an error, 1 canceled")
	has(t, r.err, "rollout stopped: 1 failed, 0 allowed; never sent: "+b)
	eventually(t, p.streamsLeft)
}

// It stops by itself once more have failed than are allowed: an exit code, and a
// host that is not there. The hosts that were never sent the job are listed.
func TestRolloutStops(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	absent := p.prefix + "absent"
	file := p.dir + "/order"
	r := p.want(1, "run", order(file)+"; test $WARREN_HOST != "+a, "--hosts", a+" "+absent+" "+b, "--rollout", "1,2,3", "--max-failures", "1", "--json")
	var doc struct {
		Jobs    []struct{ Host, Outcome, Reason string }
		Rollout struct {
			Stages []int
			Events []struct{ Event string }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatal(err, r)
	}
	if got := lines(t, file); !slices.Equal(got, []string{a}) {
		t.Errorf("it ran on %v", got)
	}
	if len(doc.Jobs) != 3 || doc.Jobs[2].Host != b || doc.Jobs[2].Outcome != "canceled" || doc.Jobs[2].Reason != "rollout stopped: 2 failed, 1 allowed; never sent" {
		t.Errorf("%+v", doc.Jobs)
	}
	if got := len(doc.Rollout.Events); got != 4 || doc.Rollout.Events[3].Event != "stopped" {
		t.Errorf("%+v", doc.Rollout)
	}
	has(t, r.err, "rollout stopped: 2 failed, 1 allowed; never sent: "+b)
	log, err := os.ReadFile(p.data + "/execute_command.log")
	if err != nil || strings.Contains(string(log), `"`+b+`"`) {
		t.Errorf("the audit log says that %s was told: %s, %v", b, log, err)
	}

	// The rest, by a retry.
	var task struct{ ID string }
	_ = json.Unmarshal([]byte(r.out), &task)
	has(t, p.want(0, "retry", task.ID, "--outcome", "canceled").out, "done: 1 ok")
	if got := lines(t, file); !slices.Equal(got, []string{a, b}) {
		t.Errorf("after the retry it ran on %v", got)
	}
}

// The rollout of an operator that is killed between two stages is paused. Of two processes that
// resume it at the same time, one sends the rest, and nothing runs twice.
func TestRolloutOfKilledOperatorIsResumedOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	var id, file string
	var r result
	eventually(t, func() error { // a busy machine may kill it after the soak
		file = filepath.Join(t.TempDir(), "order")
		op := p.start("run", order(file), "--hosts", a+" "+b, "--rollout", "1,2", "--soak", "2s")
		await(t, &op.Err, `stage 1 of 2 has ended: 0 failed so far; the next starts in 2.0s`)
		if err := op.Kill(); err != nil {
			t.Fatal(err)
		}
		id = p.unfinished()
		if r = p.warren("check_task", id); !strings.Contains(r.out, "paused, 1 of 2 ended: 1 ok") {
			return errorOf(r)
		}
		return nil
	})
	has(t, r.out, "hint: warren resume "+id[:8]+" continues the rollout")
	if r.status != 1 {
		t.Errorf("check_task: %s", r)
	}
	r = p.want(1, "wait", id) // and does not wait
	has(t, r.out, "paused, 1 of 2 ended: 1 ok")
	has(t, p.want(0, "tasks", "--json").out, `"state":"paused"`, `"reason":"rollout paused: the process that drove it has ended"`)
	ends := make(chan result, 2)
	for range 2 {
		go func() { ends <- p.warren("resume", id) }()
	}
	resumed := 0
	for range 2 {
		r := <-ends
		if strings.Contains(r.err, "is resumed") {
			resumed++
			if r.status != 0 || !strings.Contains(r.out, "done: 2 ok") {
				t.Errorf("the process that has resumed it: %s", r)
			}
		}
	}
	if resumed != 1 {
		t.Errorf("%d processes have resumed it", resumed)
	}
	if got := lines(t, file); !slices.Equal(got, []string{a, b}) {
		t.Errorf("it ran on %v", got)
	}
	r = p.want(2, "resume", id)
	has(t, r.err, "error: task "+id+" is done")
}

// An operator that dies within a stage: the host that has the job ends it, and no other host
// gets one until the rollout is resumed.
func TestRolloutOfAnOperatorKilledWithinAStage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	g := newGate(t)
	op := p.start("run", g.command(), "--hosts", a+" "+b, "--rollout", "1,2")
	g.begun(a)
	await(t, &op.Err, `stage 1 of 2: 1 host`)
	if err := op.Kill(); err != nil {
		t.Fatal(err)
	}
	g.open()
	eventually(t, func() error {
		r := p.warren("check_task", onlyTask(t, p))
		if strings.Contains(r.out, "paused, 1 of 2 ended: 1 ok") {
			return nil
		}
		return errorOf(r)
	})
	g.once(a)
}

// A rollout is paused by another process, during the soak. Its own process ends, and a third
// one resumes and verifies it.
func TestRolloutIsPausedResumedAndVerified(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	file := p.dir + "/order"
	op := p.start("run", order(file), "--hosts", a+" "+b, "--rollout", "1,2", "--soak", "20s", "--verify", "test $WARREN_HOST = "+a+" || exit 7", "--max-failures", "1")
	await(t, &op.Err, `stage 1 of 2 has ended`)
	id := onlyTask(t, p)
	var r result
	eventually(t, func() error { // it does not wait long for the process that drives the rollout
		if r = p.warren("pause", id); r.status != 0 {
			return errorOf(r)
		}
		return nil
	})
	has(t, r.err, "rollout paused by an operator; warren resume "+id[:8]+" continues it")
	await(t, &op.Err, `rollout paused by an operator; not sent: `+b)
	if status, err := op.Wait(); err != nil || status != 1 {
		t.Errorf("the process that drove it ends with %d, %v", status, err)
	}
	has(t, p.want(0, "pause", id).err, "rollout paused by an operator")
	r = p.want(1, "resume", id)
	has(t, r.err, "is resumed", "rollout resumed; to be sent: "+b, "stage 2 of 2 is verified: failed on 1 of 1 host")
	has(t, r.out, "done: 2 ok", "verify failed on 1 of 1 host of stage 2: check_task ")
	if got := lines(t, file); !slices.Equal(got, []string{a, b}) {
		t.Errorf("it ran on %v", got)
	}
	has(t, p.want(1, "check_task").out, id) // the newest task is not a verify command
}

// A verify command that never ends is ended by its host after --verify-timeout. It counts as a
// failure, and the next stage does not start.
func TestVerifyThatNeverEndsFails(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	file := p.dir + "/order"
	r := p.want(1, "run", order(file), "--hosts", a+" "+b, "--rollout", "1,2", "--verify", "sleep 600", "--verify-timeout", "200ms")
	has(t, r.err, "stage 1 of 2 is verified: failed on 1 of 1 host", "rollout stopped: 1 failed, 0 allowed; never sent: "+b)
	has(t, r.out, "done: 1 ok, 1 canceled", "verify failed on 1 of 1 host of stage 1: check_task ")
	if got := lines(t, file); !slices.Equal(got, []string{a}) {
		t.Errorf("it ran on %v", got)
	}
	has(t, p.want(0, "tasks", "--outcome", "timed_out").out, "sleep 600")
}

// A task with secrets cannot be resumed by another process, and says why.
func TestRolloutWithSecretsIsNotResumedElsewhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	secret := p.dir + "/secret"
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.want(1, "run", "test $WARREN_HOST != "+a, "--secret-env", "TOKEN=@"+secret, "--hosts", a+" "+b, "--rollout", "1,2", "--on-failure", "pause")
	id := onlyTask(t, p)
	r := p.want(2, "resume", id)
	has(t, r.err, "error: task "+id+" has secrets, which only the process that started it knows", "hint: warren cancel "+id[:8]+", then warren retry "+id[:8]+" --outcome canceled")
	p.want(0, "cancel", id)
	has(t, p.want(1, "check_task", id).out, "done: 1 exited with an error, 1 canceled")
}

// Ctrl-C in the shell form: what runs goes on, and nobody else is told; a second
// one cancels that, too.
func TestRolloutInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	g := newGate(t)
	term := p.terminal("run", g.command(), "--hosts", a+" "+b, "--rollout", "1,2")
	g.begun(a)
	term.Expect(`stage 1 of 2: 1 host`)
	term.Type(ctrlC)
	term.Expect(`detached: task \S+ is still running on the hosts that have it; the rollout has stopped`)
	if status := term.End(); status != 1 {
		t.Errorf("status %d", status)
	}
	g.open()
	has(t, p.want(1, "wait", onlyTask(t, p)).out, "done: 1 ok, 1 canceled", "rollout stopped by its operator; never sent")
	g.once(a)
}

// At the prompt a rollout goes on while other commands are typed, and cancel ends
// it between two stages.
func TestRolloutAtThePrompt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	term := p.terminal()
	term.Expect(`warren> `)
	term.Type("run 'echo hi' --hosts '" + a + " " + b + "' --rollout 1,2 --soak 1h\r")
	id := taskOf(t, term.Expect(`task on 2 hosts: \S+`))
	eventually(t, func() error {
		if r := p.warren("check_task", id); !strings.Contains(r.out, "1 of 2 ended: 1 ok") {
			return errorOf(r)
		}
		return nil
	})
	term.Type("\r")
	term.Expect(`\[` + id[:8] + `\] stage 1 of 2 has ended`)
	term.Expect(`warren> `)
	term.Type("cancel " + id[:8] + "\r")
	term.Expect(`canceling task`)
	term.Type("wait " + id[:8] + "\r")
	term.Expect(`done: 1 ok, 1 canceled`)
	term.Expect(`warren> `)
	term.Type("exit\r")
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Who leaves the prompt stays until the last stage has begun, or leaves at once
// by Ctrl-C, and then nobody else is told.
func TestRolloutAndExit(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	file := p.dir + "/order"
	term := p.terminal()
	term.Expect(`warren> `)
	term.Type("run '" + order(file) + "' --hosts '" + a + " " + b + "' --rollout 1,2 --soak 1h\r")
	id := taskOf(t, term.Expect(`task on 2 hosts: \S+`))
	eventually(t, func() error {
		if r := p.warren("check_task", id); !strings.Contains(r.out, "1 of 2 ended: 1 ok") {
			return errorOf(r)
		}
		return nil
	})
	term.Type("exit\r")
	term.Expect(`task ` + id[:8] + ` is a rollout in progress: warren exits when its last stage has started, or is verified; Ctrl-C exits at once and pauses the rollout`)
	term.Expect(`Ctrl-C exits at once`) // the end has begun, and its Ctrl-C with it
	term.Type(ctrlC)
	term.End()
	eventually(t, func() error {
		if r := p.warren("check_task", id); !strings.Contains(r.out, "paused, 1 of 2 ended: 1 ok") {
			return errorOf(r)
		}
		return nil
	})
	if got := lines(t, file); !slices.Equal(got, []string{a}) {
		t.Errorf("it ran on %v", got)
	}
}

// A rollout that another process cancels is over, soak or not.
func TestRolloutCanceledElsewhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	file := p.dir + "/order"
	op := p.start("run", order(file), "--hosts", a+" "+b, "--rollout", "1,2", "--soak", "1h")
	await(t, &op.Err, `the next starts in 1h00m`)
	p.want(0, "cancel", onlyTask(t, p))
	if status := ended(t, op); status != 1 {
		t.Errorf("status %d", status)
	}
	has(t, op.Out.String(), "done: 1 ok, 1 canceled")
	if got := lines(t, file); !slices.Equal(got, []string{a}) {
		t.Errorf("it ran on %v", got)
	}
}

func errorOf(r result) error { return errors.New(r.String()) }

func onlyTask(t *testing.T, p *place) string {
	t.Helper()
	var doc struct{ Tasks []struct{ ID string } }
	text := p.want(0, "tasks", "--json").out
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Tasks) != 1 {
		t.Fatal(text, err)
	}
	return doc.Tasks[0].ID
}
