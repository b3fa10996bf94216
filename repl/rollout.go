package repl

import (
	"context"
	"fmt"
	"io"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// rollout makes the plan of a task for those hosts, nil where it has no stages.
// It returns the hosts that the last stage leaves untouched.
func (c *sendFlags) rollout(hosts []string) (r *model.Rollout, rest []string, err error) {
	staged := len(c.Rollout.Parts) > 0
	switch {
	case c.Soak > 0 && !staged:
		return nil, nil, cli.Usage("say the stages: --rollout 1,10%,100%", "--soak is the pause between the stages of a --rollout")
	case c.MaxFailures.Set && !staged && c.Fanout == 0:
		return nil, nil, cli.Usage("say --rollout 1,10%,100%, or --fanout N", "--max-failures needs hosts that are not told at once")
	case !staged && !c.MaxFailures.Set:
		return nil, nil, nil
	}
	r = &model.Rollout{Stages: []int{len(hosts)}, MaxFailures: c.MaxFailures.Of(len(hosts)), Soak: time.Duration(c.Soak)}
	if staged {
		if r.Stages, err = c.Rollout.Of(len(hosts)); err != nil {
			return nil, nil, err
		}
	}
	return r, hosts[r.Stages[len(r.Stages)-1]:], nil
}

// stageHosts are the hosts of a stage, from 1.
func stageHosts(r *model.Rollout, stage int, hosts []string) []string {
	first := 0
	if stage > 1 {
		first = r.Stages[stage-2]
	}
	return hosts[first:r.Stages[stage-1]]
}

// eventRecord is the record of --jsonl for an Event.
type eventRecord struct {
	Type string `json:"type"` // rollout
	Task string `json:"task"`
	render.EventDocument
	Names []string `json:"names"` // of the hosts that it is about
}

// printRolloutEvents tells how far the rollout of a task has come since the last call, in
// lines to w, or as records on standard output.
func (s *session) printRolloutEvents(ctx context.Context, id string, w io.Writer, records bool) error {
	task, err := s.store.Find(ctx, id)
	if err != nil || task.Rollout == nil || len(task.Rollout.Events) <= s.told[id] {
		return err
	}
	jobs, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return err
	}
	hosts := make([]string, len(jobs))
	for i := range jobs {
		hosts[i] = jobs[i].Host
	}
	for _, e := range task.Rollout.Events[s.told[id]:] {
		if len(task.Rollout.Stages) == 1 && e.Kind == model.StageBegun {
			continue // without --rollout
		}
		names := eventHosts(task.Rollout, e, hosts)
		if !records {
			fmt.Fprintln(w, term.Line(fmt.Sprintf("[%s] %s", result.ShortID(id), eventText(task.Rollout, e, names))))
		} else if err := render.WriteJSON(s.stdio.Out, eventRecord{"rollout", id, render.DescribeEvent(e), names}); err != nil {
			return err
		}
	}
	if s.told == nil {
		s.told = map[string]int{}
	}
	s.told[id] = len(task.Rollout.Events)
	return nil
}

// eventHosts are the hosts that a step is about.
func eventHosts(r *model.Rollout, e model.Event, hosts []string) []string {
	if e.Kind == model.Stopped {
		return hosts[len(hosts)-e.Hosts:]
	}
	return stageHosts(r, e.Stage, hosts)
}

// eventText says what has happened in a rollout, to those hosts.
func eventText(r *model.Rollout, e model.Event, hosts []string) string {
	stage := fmt.Sprintf("stage %d of %d", e.Stage, len(r.Stages))
	switch e.Kind {
	case model.StageBegun:
		return fmt.Sprintf("%s: %s, %s", stage, term.Plural(e.Hosts, "host"), hostexpr.Fold(hosts))
	case model.StageEnded:
		text := fmt.Sprintf("%s has ended: %d failed so far", stage, e.Failed)
		if r.Soak > 0 && e.Failed <= r.MaxFailures {
			text += fmt.Sprintf("; the next begins in %s", term.Duration(r.Soak))
		}
		return text
	}
	return fmt.Sprintf("%s; never sent: %s", e.Reason, hostexpr.Fold(hosts))
}
