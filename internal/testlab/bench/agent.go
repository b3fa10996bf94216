package bench

import (
	"context"
	"errors"
	"os"
	"time"

	"warren/internal/testlab/bench/floor"
	"warren/internal/testlab/bench/part"
	"warren/internal/testlab/lab"
)

const (
	// idleAfter is when a new agent counts as idle, and idleFor how long it is
	// watched: several heartbeats.
	idleAfter = 5 * time.Second
	idleFor   = 30 * time.Second
)

// agent measures one agent that has nothing to do, and how it begins.
func (b *bench) agent(ctx context.Context) error {
	var beyond []float64 // milliseconds
	for range b.cfg.Rounds {
		connect, err := connectTime(b.url)
		if err != nil {
			return err
		}
		ready, err := b.startAgent(ctx, func(int) error { return nil })
		if err != nil {
			return err
		}
		beyond = append(beyond, float64(ready-connect)/1e6)
	}
	b.say("watching an idle agent for %s", idleFor)
	var rss int64
	var wakeUps float64
	var used time.Duration
	_, err := b.startAgent(ctx, func(pid int) (err error) {
		rss, wakeUps, used, err = idle(ctx, pid)
		return err
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(b.programs.warrend)
	if err != nil {
		return err
	}
	b.report.bar(Bar{Number: 5, What: "idle agent: memory", Found: inMiB(rss), Limit: 15, Unit: "MiB"})
	b.report.bar(Bar{Number: 5, What: "idle agent: wake-ups of its threads", Found: wakeUps, Limit: 2, Unit: "/s"})
	b.report.bar(Bar{Number: 5, What: "idle agent: processor", Found: float64(used) / float64(idleFor) * 100, Limit: 0.1, Unit: "%"})
	b.report.bar(Bar{Number: 5, What: "start to ready, beyond a connection", Found: spread(beyond).Median, Limit: 100, Unit: "ms"})
	b.report.bar(Bar{Number: 5, What: "the program", Found: float64(info.Size()) / 1e6, Limit: 15, Unit: "MB"})
	return nil
}

// connectTime measures a connection with its login.
func connectTime(url string) (time.Duration, error) {
	begin := time.Now()
	c, err := floor.Dial(url)
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	return took, c.Close()
}

// startAgent starts one agent as a process, and ends it after use. What it
// returns is the time until the agent has said that it is ready, with that of
// making its directory and keys.
func (b *bench) startAgent(ctx context.Context, use func(pid int) error) (ready time.Duration, err error) {
	begin := time.Now()
	l, err := lab.Start(ctx, lab.Config{Hosts: []string{b.prefix}, Broker: b.url, Warrend: b.programs.warrend})
	ready = time.Since(begin)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Stop()) }()
	return ready, use(l.PIDs()[0])
}

// idle watches a process that has nothing to do.
func idle(ctx context.Context, pid int) (rss int64, wakeUps float64, used time.Duration, err error) {
	if err := wait(ctx, idleAfter); err != nil {
		return 0, 0, 0, err
	}
	before, err := part.Of(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	woken, err := part.WakeUps(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	if err := wait(ctx, idleFor); err != nil {
		return 0, 0, 0, err
	}
	again, err := part.WakeUps(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	after, err := part.Of(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	rss, err = part.Resident(pid)
	return rss, float64(again-woken) / idleFor.Seconds(), after.CPU - before.CPU, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
