package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"warren/internal/testlab/bench/part"
)

// A turn is one side's part of a round.
type turn struct {
	command string
	hosts   int
	times   int
	cold    bool
	keep    int64 // bytes of output of each host; 0 is the default
}

// take carries a turn out and measures what it has used.
func (b *bench) take(ctx context.Context, s *side, t turn) (sample Sample, err error) {
	before, err := b.rest(ctx, s)
	if err != nil {
		return sample, err
	}
	if err := b.fresh(ctx, s); err != nil {
		return sample, err
	}
	if t.cold {
		sample, err = cold(ctx, s, t)
	} else {
		sample, err = warm(ctx, s, t)
	}
	if err != nil {
		return sample, err
	}
	after, err := b.rest(ctx, s)
	for i := range after {
		if i == operatorPart && t.cold {
			continue // it is no part, and was measured as it ended
		}
		sample.Use[i] = Use{CPU: (after[i].CPU - before[i].CPU) / time.Duration(t.times), Peak: after[i].Peak}
	}
	return sample, err
}

// warm has the side's operator give the command.
func warm(ctx context.Context, s *side, t turn) (Sample, error) {
	a, err := s.operator.Do(ctx, part.Order{Do: part.RunAll, Hosts: t.hosts, Command: t.command, Times: t.times, Keep: t.keep})
	if err != nil {
		return Sample{}, err
	}
	return summed(a.Runs), nil
}

// cold starts a process for each command.
func cold(ctx context.Context, s *side, t turn) (Sample, error) {
	var runs []part.Run
	var use Use
	for range t.times {
		cmd := s.once(t.command, t.hosts)
		var said bytes.Buffer
		cmd.Stderr = &said
		begin := time.Now()
		err := run(ctx, cmd)
		r := part.Run{Last: time.Since(begin)}
		var status *exec.ExitError
		switch {
		case errors.As(err, &status) && status.ExitCode() == 1: // some result is not what it should be
			r.Lost = 1
		case err != nil:
			return Sample{}, fmt.Errorf("%s: %w: %s", cmd.Path, err, strings.TrimSpace(said.String()))
		}
		runs = append(runs, r)
		use.CPU += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / time.Duration(t.times)
		use.Peak = max(use.Peak, part.PeakOf(cmd.ProcessState))
	}
	sample := summed(runs)
	sample.Use[operatorPart] = use
	return sample, nil
}

// run is cmd.Run that ends with ctx.
func run(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	release := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer release()
	return cmd.Wait()
}

// summed makes one sample of several runs: their median times.
func summed(runs []part.Run) (s Sample) {
	var firsts, lasts []time.Duration
	for _, r := range runs {
		firsts, lasts = append(firsts, r.First), append(lasts, r.Last)
		s.Lost += r.Lost
		s.Kept += r.Kept
	}
	slices.Sort(firsts)
	slices.Sort(lasts)
	s.First, s.Last = firsts[len(firsts)/2], lasts[len(lasts)/2]
	return s
}

const (
	// restEvery is how often it is looked whether all parts have come to rest, and
	// restCPU what they may use in that time: runtimes wake up now and then.
	restEvery = 50 * time.Millisecond
	restCPU   = 4 * time.Millisecond

	// restTime ends the waiting where a part never rests.
	restTime = 3 * time.Second
)

// rest waits until no part is busy any more, and returns what each has used.
func (b *bench) rest(ctx context.Context, s *side) ([parts]part.Used, error) {
	late := time.Now().Add(restTime)
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	last, err := b.used(ctx, s)
	for err == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, context.Cause(ctx)
		}
		var now [parts]part.Used
		now, err = b.used(ctx, s)
		busy := time.Duration(0)
		for i := range now {
			busy += now[i].CPU - last[i].CPU
		}
		last = now
		if busy <= restCPU || time.Now().After(late) {
			return last, err
		}
	}
	return last, err
}

// used is what the parts of a side and the broker have used so far.
func (b *bench) used(ctx context.Context, s *side) (u [parts]part.Used, err error) {
	if u[operatorPart], u[agentsPart], err = s.used(ctx); err != nil {
		return u, err
	}
	if b.brokerPID != 0 {
		u[brokerPart], err = part.Of(b.brokerPID)
	}
	return u, err
}

// fresh lets the peaks of the memory begin anew.
func (b *bench) fresh(ctx context.Context, s *side) error {
	if err := s.fresh(ctx); err != nil {
		return err
	}
	if b.brokerPID != 0 {
		return part.FreshOf(b.brokerPID)
	}
	return nil
}
