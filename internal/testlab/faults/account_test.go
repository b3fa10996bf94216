//go:build linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An account is what a row has come to.
type account struct {
	jobs, executions int
	kinds            map[string]int // outcomes; ok is exited with 0
	lost             int            // jobs whose outcome is lost, or whose output is
	duplicated       int            // executed more than once
	missing          int            // without outcome
	wrong            []string       // what a guarantee forbids
}

func (a *account) outcomes() string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(a.kinds)) {
		all = append(all, fmt.Sprintf("%s %d", kind, a.kinds[kind]))
	}
	return strings.Join(all, ", ")
}

func (a *account) blame(j *model.Job, format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf("job %s of %s (%s %s %q): ", j.ID, j.Host, j.State, j.Outcome, j.Reason)+fmt.Sprintf(format, args...))
}

// account counts, and fails the test for what must not be.
func (s *scene) account() account {
	s.t.Helper()
	a := account{kinds: map[string]int{}}
	executions := s.executions()
	commands := s.commandsOfTasks()
	jobs := s.jobs()
	begins := s.begins()
	for i := range jobs {
		command := commands[jobs[i].Task]
		if hasFiles(command) { // it leaves no trace in the ledger
			executions[jobs[i].ID] = begins[jobs[i].ID]
		}
		s.judge(&a, &jobs[i], executions[jobs[i].ID], command)
		delete(executions, jobs[i].ID)
	}
	for job, n := range executions {
		a.executions += n
		a.wrong = append(a.wrong, fmt.Sprintf("job %s was executed and is in no store", job))
	}
	for _, o := range s.fault.also {
		if a.kinds[string(o)] == 0 {
			a.wrong = append(a.wrong, fmt.Sprintf("no job is %s: the fault was none", o))
		}
	}
	s.survivors(&a, jobs)
	if len(a.wrong) > 0 || s.t.Failed() {
		const most = 10
		s.t.Errorf("%d faults:\n%s", len(a.wrong), strings.Join(a.wrong[:min(len(a.wrong), most)], "\n"))
		for id, ag := range s.agents {
			if ag.Process != nil {
				s.t.Logf("the last agent %s:\n%s", id, last(ag.Err.String()))
			}
		}
	}
	return a
}

// hasFiles reports whether a task is a push or a collect, whose rows look at the files.
func hasFiles(command string) bool {
	return strings.HasPrefix(command, pushCommand) || strings.HasPrefix(command, collectCommand)
}

// commandsOfTasks are by the task's id.
func (s *scene) commandsOfTasks() map[string]string {
	tasks, err := s.store().Tasks(context.WithoutCancel(s.t.Context()), 0)
	s.note(err)
	commands := map[string]string{}
	for _, t := range tasks {
		commands[t.ID] = t.Command
	}
	return commands
}

// judge adds one job that was executed n times.
func (s *scene) judge(a *account, j *model.Job, n int, command string) {
	a.jobs++
	a.executions += n
	if n > 1 {
		a.duplicated++
		a.blame(j, "executed %d times", n)
	}
	if j.State != model.Ended {
		a.missing++
		a.kinds[string(j.State)]++
		a.blame(j, "no outcome")
		return
	}
	kind := string(j.Outcome)
	if j.OK() {
		kind = "ok"
	}
	a.kinds[kind]++
	if !j.OK() && !slices.Contains(s.fault.also, j.Outcome) && !slices.Contains(s.fault.may, j.Outcome) {
		a.blame(j, "not to be expected here")
	}
	if why := lie(j, n); why != "" {
		a.blame(j, "%s", why)
	}
	whole := j.Outcome != wire.Exited || hasFiles(command) || s.whole(j, s.works[command]) || s.fault.gone && j.Stdout.Gone
	if !whole {
		a.blame(j, "its output is not what it printed: %+v", j.Stdout)
	}
	if !whole || j.Outcome == wire.Lost {
		a.lost++
	}
}

// lie says why an outcome cannot be true of a command that ran n times.
func lie(j *model.Job, n int) string {
	switch j.Outcome {
	case wire.Exited, wire.Signaled, wire.TimedOut:
		if n == 0 {
			return "it lies: it was never executed"
		}
	case wire.Unreachable, wire.Rejected, wire.Expired, wire.FailedToStart:
		if n > 0 {
			return "it lies: it was executed"
		}
	case wire.Canceled:
		if n > 0 && strings.Contains(j.Reason, "before") {
			return "it lies: it was executed"
		}
	}
	return ""
}

// printed returns what the store has of an output of a job.
func (s *scene) printed(j *model.Job, stream string) (got []byte) {
	for g, err := range s.store().Output(context.WithoutCancel(s.t.Context()), j.ID, stream, 0) {
		s.note(err)
		got = append(got, g.Data...)
	}
	return got
}

// whole reports whether the store has what the command printed.
func (s *scene) whole(j *model.Job, w work) bool {
	return bytes.Equal(s.printed(j, wire.Stdout), w.printed(j.ID))
}

// survivors wants nobody who bears the mark of a job that has ended.
func (s *scene) survivors(a *account, jobs []model.Job) {
	if s.fault.orphans {
		return
	}
	var left []string
	for range 100 { // what was killed takes a moment to be gone
		left = nil
		for p := range s.marked() {
			i := slices.IndexFunc(jobs, func(j model.Job) bool { return j.ID == p.job })
			if jobs[i].State == model.Ended {
				left = append(left, fmt.Sprintf("process %d of job %s (%s) lives", p.pid, p.job, jobs[i].Outcome))
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.wrong = append(a.wrong, left...)
}
