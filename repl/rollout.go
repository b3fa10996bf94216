package repl

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/visible"
)

// A portion is a number of hosts, or a part of them in percent.
type portion struct {
	n       int
	percent float64 // where n is -1
}

func parsePortion(text string) (portion, error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(number, 64)
		switch {
		case err != nil || math.IsNaN(f) || f < 0:
			return portion{}, usage("write it as in 10% or 25", "%q is no percentage", text)
		case f > 100:
			return portion{}, usage("", "%s is more than all hosts", text)
		}
		return portion{-1, f}, nil
	}
	var n count
	if err := n.UnmarshalText([]byte(text)); err != nil {
		return portion{}, usage("write it as in 10% or 25", "%q is neither a number of hosts nor a percentage", text)
	}
	return portion{n: int(n)}, nil
}

// stages are the stages of a rollout: how many hosts have been told by the end of
// each.
type stages struct {
	text  string
	parts []portion
}

func (s *stages) UnmarshalText(text []byte) error {
	s.text, s.parts = string(text), nil
	for word := range strings.SplitSeq(s.text, ",") {
		p, err := parsePortion(strings.TrimSpace(word))
		switch {
		case err != nil:
			return err
		case p.n == 0 || p.n < 0 && p.percent == 0:
			return usage("", "a stage of no hosts: %q", s.text)
		}
		s.parts = append(s.parts, p)
	}
	return nil
}

// of are the stages of so many hosts. A percentage is rounded up, so that a stage
// has one host at least; a stage that adds none to the one before it is none.
func (s *stages) of(hosts int) ([]int, error) {
	var out []int
	last := portion{}
	for i, p := range s.parts {
		n := min(p.n, hosts)
		if p.n < 0 {
			n = int(math.Ceil(float64(hosts) * p.percent / 100))
		}
		sameKind := i > 0 && (p.n < 0) == (last.n < 0)
		falls := len(out) > 0 && n < out[len(out)-1]
		if falls || sameKind && (p.n >= 0 && p.n <= last.n || p.n < 0 && p.percent <= last.percent) {
			return nil, usage("each stage names how many hosts have been told by its end, so more than the one before: 1,10%,100%",
				"--rollout %s: the stages do not ascend with %s", s.text, plural(hosts, "host"))
		}
		if len(out) == 0 || n > out[len(out)-1] {
			out = append(out, n)
		}
		last = p
	}
	return out, nil
}

// A budget is how many hosts may fail.
type budget struct {
	set  bool
	part portion
}

func (b *budget) UnmarshalText(text []byte) (err error) {
	b.set = true
	b.part, err = parsePortion(string(text))
	return err
}

// of is the budget with so many hosts; a percentage is rounded down.
func (b *budget) of(hosts int) int {
	if b.part.n >= 0 {
		return b.part.n
	}
	return int(float64(hosts) * b.part.percent / 100)
}

// rollout makes the plan of a task for those hosts, nil where it has no stages.
// It returns the hosts that the last stage leaves untouched.
func (c *sendFlags) rollout(hosts []string) (r *model.Rollout, rest []string, err error) {
	staged := len(c.Rollout.parts) > 0
	switch {
	case c.Soak > 0 && !staged:
		return nil, nil, usage("say the stages: --rollout 1,10%,100%", "--soak is the pause between the stages of a --rollout")
	case c.MaxFailures.set && !staged && c.Fanout == 0:
		return nil, nil, usage("say --rollout 1,10%,100%, or --fanout N", "--max-failures needs hosts that are not told at once")
	case !staged && !c.MaxFailures.set:
		return nil, nil, nil
	}
	r = &model.Rollout{Stages: []int{len(hosts)}, MaxFailures: c.MaxFailures.of(len(hosts)), Soak: time.Duration(c.Soak)}
	if staged {
		if r.Stages, err = c.Rollout.of(len(hosts)); err != nil {
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
	eventDocument
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
			fmt.Fprintln(w, visible.Line(fmt.Sprintf("[%s] %s", shortID(id), eventText(task.Rollout, e, names))))
		} else if err := writeJSON(s.stdio.Out, eventRecord{"rollout", id, describeEvent(e), names}); err != nil {
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
		return fmt.Sprintf("%s: %s, %s", stage, plural(e.Hosts, "host"), hostexpr.Fold(hosts))
	case model.StageEnded:
		text := fmt.Sprintf("%s has ended: %d failed so far", stage, e.Failed)
		if r.Soak > 0 && e.Failed <= r.MaxFailures {
			text += fmt.Sprintf("; the next begins in %s", humanDuration(r.Soak))
		}
		return text
	}
	return fmt.Sprintf("%s; never sent: %s", e.Reason, hostexpr.Fold(hosts))
}
