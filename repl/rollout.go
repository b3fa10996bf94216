package repl

import (
	"context"
	"fmt"
	"io"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// rollout makes the plan of a task for those hosts, nil where it has no stages.
// It returns the hosts that the last stage leaves untouched.
func (c *sendFlags) rollout(hosts []string) (r *results.Rollout, rest []string, err error) {
	staged := len(c.Rollout.Parts) > 0
	switch {
	case c.Soak > 0 && !staged:
		return nil, nil, cli.Usage("say the stages: --rollout 1,10%,100%", "--soak is the pause between the stages of a --rollout")
	case c.MaxFailures.Set && !staged && c.Fanout == 0:
		return nil, nil, cli.Usage("say --rollout 1,10%,100%, or --fanout N", "--max-failures needs hosts that are not told at once")
	case !staged && !c.MaxFailures.Set:
		return nil, nil, nil
	}
	r = &results.Rollout{Stages: []int{len(hosts)}, MaxFailures: c.MaxFailures.Of(len(hosts)), Soak: time.Duration(c.Soak)}
	if staged {
		if r.Stages, err = c.Rollout.Of(len(hosts)); err != nil {
			return nil, nil, err
		}
	}
	return r, hosts[r.Stages[len(r.Stages)-1]:], nil
}

// stageHosts are the hosts of a stage, from 1.
func stageHosts(r *results.Rollout, stage int, hosts []string) []string {
	first := 0
	if stage > 1 {
		first = r.Stages[stage-2]
	}
	return hosts[first:r.Stages[stage-1]]
}

// moveRecord is the record of --jsonl for a Move.
type moveRecord struct {
	Type string `json:"type"` // rollout
	Task string `json:"task"`
	render.MoveDocument
	Names []string `json:"names"` // of the hosts that it is about
}

// tellMoves tells how far the rollout of a task has come since the last call, in
// lines to w, or as records on standard output.
func (s *session) tellMoves(ctx context.Context, id string, w io.Writer, records bool) error {
	task, err := s.store.Find(ctx, id)
	if err != nil || task.Rollout == nil || len(task.Rollout.Moves) <= s.told[id] {
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
	for _, m := range task.Rollout.Moves[s.told[id]:] {
		if len(task.Rollout.Stages) == 1 && m.Event == results.StageBegun {
			continue // without --rollout
		}
		names := moveHosts(task.Rollout, m, hosts)
		if !records {
			fmt.Fprintln(w, term.Line(fmt.Sprintf("[%s] %s", result.ShortID(id), moveText(task.Rollout, m, names))))
		} else if err := render.WriteJSON(s.stdio.Out, moveRecord{"rollout", id, render.DescribeMove(m), names}); err != nil {
			return err
		}
	}
	if s.told == nil {
		s.told = map[string]int{}
	}
	s.told[id] = len(task.Rollout.Moves)
	return nil
}

// moveHosts are the hosts that a step is about.
func moveHosts(r *results.Rollout, m results.Move, hosts []string) []string {
	if m.Event == results.Stopped {
		return hosts[len(hosts)-m.Hosts:]
	}
	return stageHosts(r, m.Stage, hosts)
}

// moveText says what has happened in a rollout, to those hosts.
func moveText(r *results.Rollout, m results.Move, hosts []string) string {
	stage := fmt.Sprintf("stage %d of %d", m.Stage, len(r.Stages))
	switch m.Event {
	case results.StageBegun:
		return fmt.Sprintf("%s: %s, %s", stage, term.Plural(m.Hosts, "host"), hostexpr.Fold(hosts))
	case results.StageEnded:
		text := fmt.Sprintf("%s has ended: %d failed so far", stage, m.Failed)
		if r.Soak > 0 && m.Failed <= r.MaxFailures {
			text += fmt.Sprintf("; the next begins in %s", term.Duration(r.Soak))
		}
		return text
	}
	return fmt.Sprintf("%s; never told: %s", m.Reason, hostexpr.Fold(hosts))
}
