package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"warren/internal/agent/process"
	"warren/internal/operator"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/testlab/bench/floor"
	"warren/internal/testlab/bench/part"
	"warren/internal/testlab/lab"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
)

// An AgentsPart is Warren's hosts: all in one process with one pool of workers, or
// processes of their own with a pool each.
type AgentsPart struct {
	URL, Prefix    string
	Hosts, Workers int
	Processes      bool
	Inbox          bool
	Verbose        bool
}

// Serve carries out orders until in ends.
func (a AgentsPart) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	f := fleet{prefix: a.Prefix, hosts: a.Hosts}
	c := lab.Config{Hosts: f.names(a.Hosts), Broker: a.URL, Workers: a.Workers, Inbox: a.Inbox, Verbose: a.Verbose}
	if !a.Processes {
		c.InProcess, c.Runner = true, runner
	}
	l, err := lab.Start(ctx, c)
	if err != nil {
		return err
	}
	err = part.Serve(in, out, part.Known{Key: l.Identity, PIDs: l.PIDs(), Log: l.LogFile()}, func(o part.Order) (part.Answer, error) {
		if o.Do != part.Up {
			return part.Refuse(o)
		}
		return part.Answer{Up: l.Up()}, nil
	})
	return errors.Join(err, l.Stop())
}

// runner executes commands, but for the one that means none.
func runner(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
	if s.Argv[len(s.Argv)-1] != floor.Noop {
		return process.Run(ctx, s, started, out)
	}
	now := time.Now()
	return process.Result{Started: true, StartedAt: now, EndedAt: now}
}

// Operator is the part that is Warren's operator, connected, as behind a prompt:
// it gives commands until in ends.
func Operator(ctx context.Context, s cli.Settings, prefix string, in io.Reader, out io.Writer) error {
	engine, err := operator.Open(ctx, s, true)
	if err != nil {
		return err
	}
	if err := engine.Connect(ctx); err != nil {
		return errors.Join(err, engine.Close())
	}
	f := fleet{prefix: prefix}
	err = part.Serve(in, out, part.Known{}, func(o part.Order) (a part.Answer, err error) {
		if o.Do != part.RunAll {
			return part.Refuse(o)
		}
		names := f.names(o.Hosts)
		for range o.Times {
			r, err := runAll(ctx, engine, o, names)
			if err != nil {
				return a, err
			}
			a.Runs = append(a.Runs, r)
		}
		return a, nil
	})
	return errors.Join(err, engine.Close())
}

// runAll gives one command and waits until each host has an outcome.
func runAll(ctx context.Context, engine command.Engine, o part.Order, hosts []string) (r part.Run, err error) {
	begin := time.Now()
	task, err := engine.Submit(ctx, model.Spec{
		Command: o.Command, Hosts: hosts, StartTimeout: time.Minute,
		Run: wire.Run{Command: o.Command, TimeoutMS: 60_000, MaxOutput: cmp.Or(o.Keep, 1<<20)},
	})
	if err != nil {
		return r, err
	}
	changes, unwatch, err := engine.Store().Watch(ctx, task.ID)
	if err != nil {
		return r, err
	}
	defer unwatch()
	for s := range changes {
		if s.Ended > 0 && r.First == 0 {
			r.First = time.Since(begin)
		}
		if s.Ended == s.Hosts {
			r.Last, r.Lost = time.Since(begin), s.Hosts-s.OK
			r.Kept, err = kept(ctx, engine, task.ID, o.Keep)
			return r, err
		}
	}
	return r, fmt.Errorf("task %s: %w", task.ID, results.ErrStopped)
}

// kept is how much output of a task the store has, where that is asked for.
func kept(ctx context.Context, engine command.Engine, task string, wanted int64) (n int64, err error) {
	if wanted == 0 {
		return 0, nil
	}
	jobs, err := engine.Store().Jobs(ctx, task)
	for _, j := range jobs {
		n += j.Stdout.Kept
	}
	return n, err
}
