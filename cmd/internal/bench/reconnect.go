package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"warren/cmd/internal/part"
)

const (
	// lostAgents is how many lose their broker at one moment.
	lostAgents = 5_000

	// backWithin bounds the waiting for them.
	backWithin = 5 * time.Minute
)

// errNeedsNode says that a measurement stops its broker.
var errNeedsNode = errors.New("this measurement restarts the broker, so it needs a private node\nhint: leave --broker out")

// reconnect kills the broker of 5,000 agents, starts it again, and waits until
// all of them are back.
func (b *bench) reconnect(ctx context.Context) (err error) {
	if b.node == nil {
		return errNeedsNode
	}
	b.say("%d agents: connecting", lostAgents)
	s, err := b.warrenSide(ctx, fleet{prefix: b.prefix, hosts: lostAgents, workers: workers()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	log, err := os.Stat(b.node.LogFile)
	if err != nil {
		return err
	}
	dropped, err := part.Overflows()
	if err != nil {
		return err
	}
	b.say("killing the broker")
	if err := b.node.Restart(ctx); err != nil {
		return err
	}
	answers := time.Now()
	back, err := b.awaitBack(ctx, s)
	if err != nil {
		return err
	}
	after, err := part.Overflows()
	if err != nil {
		return err
	}
	byBroker, err := refusals(b.node.LogFile, log.Size(), func(line string) bool {
		return strings.Contains(line, "handshake_timeout") || strings.Contains(line, "handshake_error")
	})
	if err != nil {
		return err
	}
	byAgents, err := refusals(s.agents[0].Known.Log, 0, failedSince(answers))
	if err != nil {
		return err
	}
	b.report.bar(Bar{Number: 8, What: "5000 agents back after the broker answers again", Found: back.Seconds(), Limit: 60, Unit: "s"})
	b.report.bar(Bar{Number: 8, What: "attempts that failed after that, as broker and agents say", Found: float64(byBroker + byAgents)})
	b.report.figure(Figure{What: "5000 agents that come back: packets that the kernel dropped and that were sent again, since the backlog was full", Found: float64(after - dropped)})
	return nil
}

// awaitBack waits until all agents have their link.
func (b *bench) awaitBack(ctx context.Context, s *side) (time.Duration, error) {
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

// refusals counts the lines of a log, from a place on, that speak of one.
func refusals(file string, from int64, refusal func(line string) bool) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(from, 0); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if refusal(lines.Text()) {
			n++
		}
	}
	return n, lines.Err()
}

// failedSince tells the lines of agents that have not got a link, for another
// reason than that nobody listened.
func failedSince(answers time.Time) func(string) bool {
	return func(line string) bool {
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		return err == nil && at.After(answers) && strings.Contains(rest, "no link to the broker") && !strings.Contains(rest, "connection refused")
	}
}
