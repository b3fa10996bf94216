package render

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// A RolloutLog prints the events of rollouts, each event once.
type RolloutLog struct {
	printed map[string]int // number of events, by task
}

// A rolloutEvent is an event that is about to be printed, with its hosts.
type rolloutEvent struct {
	rollout *model.Rollout
	event   model.Event
	hosts   []string
}

// PrintLines prints the new events of a task as lines.
func (l *RolloutLog) PrintLines(ctx context.Context, store Store, lang *translate.Language, task string, w io.Writer) error {
	events, err := l.next(ctx, store, task)
	for _, e := range events {
		fmt.Fprintln(w, term.Line(fmt.Sprintf("[%s] %s", result.ShortID(task), lang.Text(e.text()))))
	}
	return err
}

// printRecords prints the new events of a task as records.
func (l *RolloutLog) printRecords(ctx context.Context, store Store, task string, w io.Writer) error {
	events, err := l.next(ctx, store, task)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := cli.WriteJSON(w, rolloutRecord{"rollout", task, describeEvent(e.event), e.hosts}); err != nil {
			return err
		}
	}
	return nil
}

// next returns the events that have not been printed, and marks them as printed.
func (l *RolloutLog) next(ctx context.Context, store Store, id string) (events []rolloutEvent, err error) {
	task, err := store.Find(ctx, id)
	if err != nil || task.Rollout == nil || len(task.Rollout.Events) <= l.printed[id] {
		return nil, err
	}
	jobs, err := store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	hosts := make([]string, len(jobs))
	for i := range jobs {
		hosts[i] = jobs[i].Host
	}
	for _, e := range task.Rollout.Events[l.printed[id]:] {
		if len(task.Rollout.Stages) == 1 && e.Kind == model.StageBegun {
			continue // without --rollout
		}
		about := task.Rollout.StageHosts(max(e.Stage, 1), hosts)
		switch e.Kind {
		case model.Stopped, model.Paused, model.Resumed:
			about = hosts[len(hosts)-e.Hosts:]
		}
		events = append(events, rolloutEvent{task.Rollout, e, about})
	}
	if l.printed == nil {
		l.printed = map[string]int{}
	}
	l.printed[id] = len(task.Rollout.Events)
	return events, nil
}

func (e *rolloutEvent) text() string {
	stage := fmt.Sprintf("stage %d of %d", e.event.Stage, len(e.rollout.Stages))
	switch e.event.Kind {
	case model.StageBegun:
		return fmt.Sprintf("%s: %s, %s", stage, term.Plural(e.event.Hosts, "host"), hostexpr.Fold(e.hosts))
	case model.StageEnded:
		return fmt.Sprintf("%s has ended: %d failed so far", stage, e.event.Failed) + e.next()
	case model.StageVerifying:
		return fmt.Sprintf("%s: verifying %s, task %s", stage, term.Plural(e.event.Hosts, "host"), result.ShortID(e.event.Task))
	case model.StageVerified:
		return fmt.Sprintf("%s is verified: failed on %d of %s, %d failed so far", stage, e.event.VerifyFailed, term.Plural(e.event.Hosts, "host"), e.event.Failed)
	case model.Resumed:
		return "rollout resumed" + e.rest("to be sent")
	case model.Paused:
		return e.event.Reason + e.rest("not sent") + "; resume continues it"
	}
	return e.event.Reason + e.rest("never sent")
}

// next says what follows the end of a stage, and when.
func (e *rolloutEvent) next() string {
	switch {
	case e.rollout.Soak == 0 || e.event.Failed-e.rollout.Forgiven() > e.rollout.MaxFailures:
		return ""
	case e.rollout.Verify != "":
		return fmt.Sprintf("; it is verified in %s", term.Duration(e.rollout.Soak))
	}
	return fmt.Sprintf("; the next starts in %s", term.Duration(e.rollout.Soak))
}

// rest names the hosts that have no job yet.
func (e *rolloutEvent) rest(what string) string {
	if len(e.hosts) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s: %s", what, hostexpr.Fold(e.hosts))
}

// writeVerifyFailures says where the verify command of a rollout has failed, and if the rollout
// was stopped before it verified its last stage.
func writeVerifyFailures(w *bufio.Writer, lang *translate.Language, paint term.Paint, r *model.Rollout) {
	if r == nil {
		return
	}
	for _, e := range r.Events {
		if e.VerifyFailed > 0 {
			line := lang.Sprintf("  verify failed on %d of %s of stage %d: check_task %s", e.VerifyFailed, term.Plural(e.Hosts, "host"), e.Stage, result.ShortID(e.Task))
			fmt.Fprintln(w, paint.Bad(line))
		}
	}
	if last := len(r.Stages); !r.Verified() && r.StopReason() != "" && r.Stage() == last {
		fmt.Fprintln(w, paint.Bad(lang.Sprintf("  stage %d was not verified: %s", last, term.Line(r.StopReason()))))
	}
}

type rolloutRecord struct {
	Type string `json:"type"` // rollout
	Task string `json:"task"`
	eventDocument
	Names []string `json:"names"` // of the hosts of the event
}
