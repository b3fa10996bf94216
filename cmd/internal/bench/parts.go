package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"warren/cmd/internal/floor"
	"warren/cmd/internal/lab"
	"warren/cmd/internal/operator"
	"warren/cmd/internal/part"
	"warren/internal/process"
	"warren/internal/results"
	"warren/internal/wire"
	"warren/repl"
)

// Agents is the part that is Warren's hosts, all in one process with one pool of
// workers: it serves until in ends. What it says of itself is the file of the key
// by which it knows the operator.
func Agents(ctx context.Context, url, prefix string, hosts, workers int, in io.Reader, out io.Writer) error {
	f := fleet{prefix: prefix, hosts: hosts}
	l, err := lab.Start(ctx, lab.Config{Hosts: f.names(hosts), Broker: url, InProcess: true, Workers: workers, Runner: runner})
	if err != nil {
		return err
	}
	return errors.Join(part.Serve(in, out, l.Identity, part.Refuse), l.Stop())
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
func Operator(ctx context.Context, s repl.Settings, prefix string, in io.Reader, out io.Writer) error {
	engine, err := operator.Open(ctx, s, true)
	if err != nil {
		return err
	}
	if err := engine.Connect(ctx); err != nil {
		return errors.Join(err, engine.Close())
	}
	f := fleet{prefix: prefix}
	err = part.Serve(in, out, "", func(o part.Order) (a part.Answer, err error) {
		if o.Do != part.RunAll {
			return part.Refuse(o)
		}
		names := f.names(o.Hosts)
		for range o.Times {
			r, err := runAll(ctx, engine, o.Command, names)
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
func runAll(ctx context.Context, engine repl.Engine, command string, hosts []string) (r part.Run, err error) {
	begin := time.Now()
	task, err := engine.Submit(ctx, results.Spec{
		Command: command, Hosts: hosts, Expires: time.Minute,
		Run: wire.Run{Command: command, TimeoutMS: 60_000, MaxOutput: 1 << 20},
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
			return r, nil
		}
	}
	return r, fmt.Errorf("task %s: %w", task.ID, results.ErrStopped)
}
