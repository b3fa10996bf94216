package result

import (
	"fmt"
	"math"
	"strings"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// JobWord describes a job's state or outcome: "ok", "exited 3", "running", "unreachable",
// "ok, 1 process left running".
func JobWord(j *model.Job) string {
	if j.State == model.Ended && j.Left > 0 {
		return fmt.Sprintf("%s, %s left running", outcomeWord(j), term.PluralOf(j.Left, "process", "processes"))
	}
	return outcomeWord(j)
}

// outcomeWord is jobWord without the processes that live on.
func outcomeWord(j *model.Job) string {
	switch {
	case j.State != model.Ended && j.Wait == model.WaitNewAgent:
		return model.Pending.Text().Word
	case j.State != model.Ended:
		return j.State.Text().Word
	case j.OK():
		return model.StatusOK
	case j.Outcome == wire.Exited:
		return "exited " + exitText(j.ExitCode)
	case j.Outcome == wire.Signaled && j.Signal != "":
		return "signaled " + term.Line(j.Signal)
	default:
		return model.OutcomeText(j.Outcome).Word
	}
}

// exitText is the exit code as its system writes it: 3, or on Windows
// "0xC0000005 (STATUS_ACCESS_VIOLATION)".
func exitText(code int) string {
	status := uint32(code)
	if code >= 0 && code <= math.MaxInt32 || status < 0x80000000 || status >= 0xF0000000 {
		return fmt.Sprint(code)
	}
	text := fmt.Sprintf("0x%08X", status)
	if name := statusNames[status]; name != "" {
		text += " (" + name + ")"
	}
	return text
}

// statusNames are the NTSTATUS values that failed Windows programs return ([MS-ERREF] 2.3.1).
var statusNames = map[uint32]string{
	0x80000003: "STATUS_BREAKPOINT",
	0xC0000005: "STATUS_ACCESS_VIOLATION",
	0xC0000006: "STATUS_IN_PAGE_ERROR",
	0xC0000017: "STATUS_NO_MEMORY",
	0xC000001D: "STATUS_ILLEGAL_INSTRUCTION",
	0xC000007B: "STATUS_INVALID_IMAGE_FORMAT",
	0xC0000094: "STATUS_INTEGER_DIVIDE_BY_ZERO",
	0xC00000FD: "STATUS_STACK_OVERFLOW",
	0xC0000135: "STATUS_DLL_NOT_FOUND",
	0xC0000138: "STATUS_ORDINAL_NOT_FOUND",
	0xC0000139: "STATUS_ENTRYPOINT_NOT_FOUND",
	0xC000013A: "STATUS_CONTROL_C_EXIT",
	0xC0000142: "STATUS_DLL_INIT_FAILED",
	0xC0000374: "STATUS_HEAP_CORRUPTION",
	0xC0000409: "STATUS_STACK_BUFFER_OVERRUN",
	0xC0000420: "STATUS_ASSERTION_FAILURE",
}

// isUnknown reports whether the outcome leaves open what happened to the job.
func isUnknown(o wire.Outcome) bool { return o == wire.Lost }

// count sums jobs up.
func CountJobs(jobs []model.Job) model.Summary {
	sum := model.Summary{Hosts: len(jobs), Outcomes: make(map[wire.Outcome]int)}
	for i := range jobs {
		switch j := &jobs[i]; {
		case j.State != model.Ended:
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
func summaryText(sum model.Summary) string {
	var parts []string
	if sum.OK > 0 {
		parts = append(parts, fmt.Sprintf("%d ok", sum.OK))
	}
	for _, o := range model.Outcomes {
		if n := sum.Outcomes[o]; n > 0 {
			parts = append(parts, model.CountText(o, n))
		}
	}
	return strings.Join(parts, ", ")
}

// CommandText returns the command of a task with a short description of its script and its
// standard input: "patch.sh 1.2.3  [script: 1.2 KiB, SHA-256 1a2b3c4d]".
func CommandText(t *model.Task) string {
	text := term.Line(t.Command)
	for _, part := range []struct {
		name    string
		content *model.Content
	}{{"script", t.Script}, {"stdin", t.Stdin}} {
		if c := part.content; c != nil {
			text += fmt.Sprintf("  [%s: %s, SHA-256 %.8s]", part.name, term.Size(int64(c.Bytes)), c.SHA256)
		}
	}
	return text
}

// StateText is "done: 2 ok", "done: 2 ok, not verified" or "running, 2 of 3 ended: 2 ok".
func StateText(t *model.Task) string {
	text := summaryText(t.Summary)
	if text != "" {
		text = ": " + text
	}
	switch {
	case t.Done() && t.Summary.OK == t.Hosts && !t.Rollout.Verified():
		return fmt.Sprintf("done%s, not verified", text)
	case t.Done():
		return fmt.Sprintf("done%s", text)
	case t.Cancel:
		return fmt.Sprintf("being canceled, %d of %d ended%s", t.Summary.Ended, t.Hosts, text)
	}
	switch {
	case t.Rollout.Pause() != nil:
		return fmt.Sprintf("paused, %d of %d ended%s", t.Summary.Ended, t.Hosts, text)
	case t.Summary.Ended == t.Hosts:
		return fmt.Sprintf("being verified, %d of %d ended%s", t.Summary.Ended, t.Hosts, text)
	}
	return fmt.Sprintf("running, %d of %d ended%s", t.Summary.Ended, t.Hosts, text)
}

// PaintJob colors a text by a job's state or outcome.
func PaintJob(p term.Paint, j *model.Job, text string) string {
	switch {
	case j.OK():
		return p.OK(text)
	case j.State != model.Ended || isUnknown(j.Outcome):
		return p.Doubt(text)
	}
	return p.Bad(text)
}

// PaintTask colors a text by a task's state.
func PaintTask(p term.Paint, t *model.Task, text string) string {
	switch {
	case !t.Done():
		return p.Doubt(text)
	case t.OK():
		return p.OK(text)
	}
	return p.Bad(text)
}

// ShortID is the part of a task's id that people type.
func ShortID(id string) string { return id[:min(8, len(id))] }
