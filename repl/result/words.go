package result

import (
	"fmt"
	"strings"

	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/term"
)

// Outcomes are all outcomes, in the order in which they are counted up: what
// the commands did, what agents decided, what is not known.
var Outcomes = []wire.Outcome{
	wire.Exited, wire.Signaled, wire.TimedOut, wire.Canceled, wire.FailedToStart,
	wire.Rejected, wire.Expired, wire.Interrupted, wire.Unreachable, wire.Lost,
}

// JobWord is how a job stands: "ok", "exited 3", "running", "unreachable", "ok, 1
// process left running".
func JobWord(j *results.Job) string {
	if j.State == results.Ended && j.Left > 0 {
		return fmt.Sprintf("%s, %s left running", outcomeWord(j), term.PluralOf(j.Left, "process", "processes"))
	}
	return outcomeWord(j)
}

// outcomeWord is jobWord without the processes that live on.
func outcomeWord(j *results.Job) string {
	switch {
	case j.State == results.Sent:
		return "sent, no answer yet"
	case j.State != results.Ended:
		return string(j.State)
	case j.OK():
		return "ok"
	case j.Outcome == wire.Exited:
		return fmt.Sprintf("exited %d", j.ExitCode)
	case j.Outcome == wire.Signaled && j.Signal != "":
		return "signaled " + term.Line(j.Signal)
	default:
		return string(j.Outcome)
	}
}

// HintFor is what to do about jobs that ended so.
func HintFor(o wire.Outcome) string {
	switch o {
	case wire.Unreachable:
		return "unreachable means that the command never ran there: is warrend running, under that name? hosts lists who answers"
	case wire.Lost:
		return "lost means that it may have run, and that nobody has said so: check_task asks again, and shows what its agent says once it is back"
	case wire.Expired:
		return "expired means that the host did not begin it in time, and will not: --start-timeout gives more"
	case wire.TimedOut:
		return "timed_out means that the host ended the command at its timeout: --timeout gives more time"
	}
	return ""
}

// isUnknown reports whether nobody can say what became of a job that ended so.
func isUnknown(o wire.Outcome) bool { return o == wire.Lost }

// count sums jobs up.
func CountJobs(jobs []results.Job) results.Summary {
	sum := results.Summary{Hosts: len(jobs), Outcomes: make(map[wire.Outcome]int)}
	for i := range jobs {
		switch j := &jobs[i]; {
		case j.State != results.Ended:
			continue
		case j.OK():
			sum.OK++
		default:
			sum.Outcomes[j.Outcome]++
		}
		sum.Ended++
	}
	return sum
}

// summaryText is "2 ok, 1 unreachable".
func summaryText(sum results.Summary) string {
	var parts []string
	if sum.OK > 0 {
		parts = append(parts, fmt.Sprintf("%d ok", sum.OK))
	}
	for _, o := range Outcomes {
		n := sum.Outcomes[o]
		switch {
		case n == 0:
		case o == wire.Exited:
			parts = append(parts, fmt.Sprintf("%d exited with an error", n))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(parts, ", ")
}

// StateText is "done: 2 ok" or "running, 2 of 3 ended: 2 ok".
func StateText(t *results.Task) string {
	text := summaryText(t.Summary)
	if text != "" {
		text = ": " + text
	}
	if t.Done() {
		return "done" + text
	}
	state := "running"
	if t.Cancel {
		state = "being canceled"
	}
	return fmt.Sprintf("%s, %d of %d ended%s", state, t.Summary.Ended, t.Hosts, text)
}

// PaintJob colors a text by how a job stands.
func PaintJob(p term.Paint, j *results.Job, text string) string {
	switch {
	case j.OK():
		return p.OK(text)
	case j.State != results.Ended || isUnknown(j.Outcome):
		return p.Doubt(text)
	}
	return p.Bad(text)
}

// PaintTask colors a text by how a task stands.
func PaintTask(p term.Paint, t *results.Task, text string) string {
	switch {
	case !t.Done():
		return p.Doubt(text)
	case t.Summary.OK == t.Hosts:
		return p.OK(text)
	}
	return p.Bad(text)
}

// ShortID is the part of a task's id that people type.
func ShortID(id string) string { return id[:min(8, len(id))] }
