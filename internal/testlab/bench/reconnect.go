package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"warren/internal/hint"
	"warren/internal/testlab/bench/part"
)

const (
	// lostAgents is how many lose their broker at one moment.
	lostAgents = 5_000

	// backWithin bounds the waiting for them.
	backWithin = 5 * time.Minute
)

// errNeedsNode says that a measurement stops its broker.
var errNeedsNode = hint.New("this measurement restarts the broker, so it needs a private node",
	"leave --broker out")

// reconnect kills the broker of 5,000 agents, starts it again, and waits until
// all of them are back.
func (b *bench) reconnect(ctx context.Context) (err error) {
	if b.node == nil {
		return errNeedsNode
	}
	b.say("%d agents: connecting", lostAgents)
	s, err := b.warrenSide(ctx, fleet{prefix: b.unique(), hosts: lostAgents, workers: workers(), verbose: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	dropped, err := part.Overflows()
	if err != nil {
		return err
	}
	b.say("killing the broker")
	if err := b.node.Restart(ctx); err != nil {
		return err
	}
	answers := time.Now()
	back, err := awaitBack(ctx, s)
	if err != nil {
		return err
	}
	after, err := part.Overflows()
	if err != nil {
		return err
	}
	failed, err := failures(s.agents[0].Known.Log, answers)
	if err != nil {
		return err
	}
	used, err := part.Of(b.node.PID())
	if err != nil {
		return err
	}
	b.report.bar(Bar{Number: 8, What: "5000 agents back after the broker, set as docs/scale.md advises, answers again", Found: back.Seconds(), Limit: 60, Unit: "s"})
	b.report.bar(Bar{Number: 8, What: "attempts that failed after that", Found: float64(failed.total())})
	comeBack := func(what string, found float64, unit string) {
		b.report.figure(Figure{What: "5000 agents that come back: " + what, Found: found, Unit: unit})
	}
	for _, why := range slices.Sorted(maps.Keys(failed)) {
		comeBack("attempts that failed: "+why, float64(failed[why]), "")
	}
	comeBack("packets that the kernel dropped and that were sent again, since the backlog was full", float64(after-dropped), "")
	comeBack("processor of the broker for each, since it was started", float64(used.CPU)/1e6/lostAgents, "ms")
	return nil
}

// awaitBack waits until all agents have their link.
func awaitBack(ctx context.Context, s *side) (time.Duration, error) {
	begin := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := s.agents[0].Do(ctx, part.Order{Do: part.Up})
		switch took := time.Since(begin); {
		case err != nil:
			return 0, err
		case a.Up == lostAgents:
			return took, nil
		case took > backWithin:
			return 0, fmt.Errorf("after %s %d of %d agents are back", took.Round(time.Second), a.Up, lostAgents)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// tally counts attempts that failed by why they did.
type tally map[string]int

func (t tally) total() (n int) {
	for _, times := range t {
		n += times
	}
	return n
}

// numbers are what tells two failures of one kind apart: names, addresses, ports.
var numbers = regexp.MustCompile(`[0-9][0-9.:]*`)

// failures counts in the log of verbose agents the attempts that failed since the
// broker answers.
func failures(file string, answers time.Time) (tally, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := tally{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "time="), " ")
		_, why, failed := strings.Cut(rest, `msg="no link to the broker" error=`)
		if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && failed && at.After(answers) {
			why, _, _ = strings.Cut(why, " again_in=")
			if text, err := strconv.Unquote(why); err == nil {
				why = text
			}
			t[numbers.ReplaceAllString(why, "…")]++
		}
	}
	return t, lines.Err()
}
