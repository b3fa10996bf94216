package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/executor"
	"warren/internal/agent/journal"
	"warren/internal/agent/metrics"
	"warren/internal/agent/process"
	"warren/internal/agent/process/proctree"
	"warren/internal/agent/sdnotify"
	"warren/internal/agent/status"
	"warren/internal/datadir"
	"warren/internal/version"
)

// run runs the agent until SIGINT or SIGTERM, and returns the exit status.
func (f *flags) run(args []string, stderr io.Writer) int {
	socket := sdnotify.FromEnvironment()
	limitRuntime()
	process.CloseInheritedOnExec()
	proctree.ReserveThreads(f.Workers)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := f.program(args, f.logger(stderr), socket)
	switch {
	case errors.Is(err, metrics.ErrListen), datadir.IsDiskError(err):
		report(stderr, err)
		return exitFailed
	case err != nil:
		return fail(stderr, err)
	}
	err = p.run(ctx)
	if err != nil {
		report(stderr, err)
	}
	return exitStatus(err)
}

// exitStatus returns the exit status of a program that has ended with an error, or nil. systemd
// starts the agent again after exitFailed, but not after exitUsage: somebody has to change
// something first.
func exitStatus(err error) int {
	switch {
	case errors.Is(err, journal.ErrLocked), errors.Is(err, journal.ErrDamaged):
		return exitUsage
	case err != nil:
		return exitFailed
	}
	return exitOK
}

// A program is the agent and the actors that report on it.
type program struct {
	agent       *executor.Agent
	status      *status.Server
	metrics     *metrics.Server      // nil: none
	metricsFile *metrics.File        // nil: none
	supervisor  *sdnotify.Supervisor // nil: no service manager asked for notifications
}

// program makes the program from the settings. It starts nothing, but opens the port of metrics.
func (f *flags) program(args []string, log *slog.Logger, socket *sdnotify.Socket) (*program, error) {
	hangup := hangup()
	reload := hangup
	var forward chan os.Signal
	if socket != nil {
		forward = make(chan os.Signal) // unbuffered: once sent, the loop has it
		reload = forward
	}
	agent, err := f.agent(args, log, reload)
	if err != nil {
		return nil, err
	}
	p := &program{agent: agent, status: &status.Server{
		Source: &status.Source{Agent: agent, DataDir: f.DataDir, Version: version.String(), Started: time.Now()}, Log: log,
	}}
	if f.Metrics != "" {
		if p.metrics, err = metrics.Listen(f.Metrics, agent, log); err != nil {
			return nil, err
		}
	}
	if f.MetricsFile != "" {
		p.metricsFile = &metrics.File{Path: f.MetricsFile, Agent: agent, Log: log}
	}
	if socket != nil {
		p.supervisor = &sdnotify.Supervisor{Socket: socket, Agent: agent, Log: log, StopTimeout: f.stopTimeout(), Hangup: hangup, Reload: forward}
	}
	return p, nil
}

// stopReserve is the part of a stop that no setting changes: the last processes of a command have 3 s
// to end after KILL, results have 5 s to go out, and the rest is for a slow disk.
const stopReserve = 15 * time.Second

// stopTimeout is the longest time that a stop takes. The service files have the time that the defaults
// need.
func (f *flags) stopTimeout() time.Duration { return f.DrainGrace + f.KillGrace + stopReserve }

// run returns when ctx has ended and the agent has drained. Until then this program adopts the
// orphans of its commands, and reports on the agent.
func (p *program) run(ctx context.Context) error {
	served, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return process.Reap(served) })
	g.Go(func() error { return p.status.Run(served) })
	if p.metrics != nil {
		g.Go(func() error { return p.metrics.Run(served) })
	}
	if p.metricsFile != nil {
		g.Go(func() error { return p.metricsFile.Run(served) })
	}
	if p.supervisor != nil {
		g.Go(func() error { return p.supervisor.Run(served, ctx) })
	}
	g.Go(func() error {
		defer stop()
		return p.agent.Run(ctx)
	})
	return g.Wait()
}
