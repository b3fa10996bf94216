// Package lab runs a whole Warren on one machine: a private RabbitMQ node, or a
// broker that is there, and an agent for each host. Demonstrations, tests and
// benchmarks use it.
//
// A Lab owns its directory, its node and its agents; Stop ends and removes them.
// The operator's key is made with it, and is of use nowhere else.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/executor"
	"warren/internal/agent/process"
	"warren/internal/agent/trust"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/operator/signing"
	"warren/internal/testlab/rabbit"
	"warren/internal/version"
)

// Config describes a laboratory.
type Config struct {
	Hosts     []string
	Broker    string // URL of a broker that is there, or those of a cluster, with comma between; empty starts a private node
	InProcess bool   // agents are goroutines of this process, not processes
	Warrend   string // program of the agents that are processes; empty: beside this one
	Inbox     bool   // agents have one
	Private   string // directory of which each agent process sees one of its own, by Private; empty: none
	Workers   int    // commands at the same time: of each agent, or of all in-process ones together; 0 is the default
	Runner    process.Runner
	Log       io.Writer // what in-process agents and the broker say; nil is a file in the directory
	Verbose   bool      // in-process agents tell each attempt that failed, not only the first of several alike
}

const logName = "lab.log"

// OneClock is the tolerance where operator and agents have the same clock: a new
// agent takes jobs once PassTolerance has returned.
const OneClock = 10 * time.Millisecond

// PassTolerance waits until agents that have just become ready take jobs. For a name
// that it has newly taken, an agent takes only what is issued after that and the
// tolerance; times are cut to the millisecond.
func PassTolerance() { time.Sleep(OneClock + 2*time.Millisecond) }

// A Lab is a running laboratory.
type Lab struct {
	Dir      string // removed by Stop
	URL      string // of the broker
	Identity string // the operator's key, in Dir

	node   *rabbit.Node // nil where the broker was there
	agents fleet
}

// A fleet is the agents, of either kind.
type fleet interface {
	ready(ctx context.Context) error // returns once all answer
	up() int                         // how many are connected
	pids() []int                     // of those that are processes
	stop() error
}

// starting is how many in-process agents connect at the same time: a broker
// accepts a few hundred connections a second.
const starting = 128

// heartbeat is long, since thousands of connections that only say that they live
// keep a small machine busy; agents of this process cannot die without it.
const heartbeat = time.Minute

// Start builds the laboratory and returns once every agent answers.
func Start(ctx context.Context, c Config) (_ *Lab, err error) {
	l := &Lab{URL: c.Broker}
	if l.Dir, err = os.MkdirTemp("", "warren-lab-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Stop())
		}
	}()
	if c.Log == nil {
		f, err := os.Create(l.LogFile())
		if err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				f.Close()
			}
		}()
		c.Log = f
	}
	l.Identity = filepath.Join(l.Dir, "operator_key")
	line, err := signing.Create(l.Identity, "lab")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(operators(l.Dir), []byte(line), 0o600); err != nil {
		return nil, err
	}
	if c.Broker == "" {
		if l.node, err = rabbit.Start(ctx, rabbit.Config{Log: c.Log}); err != nil {
			return nil, err
		}
		l.URL = l.node.URL()
	}
	agents, err := start(c, l.URL, l.Dir)
	if err != nil {
		return nil, err
	}
	l.agents = agents
	err = agents.ready(ctx)
	PassTolerance()
	return l, err
}

func start(c Config, url, dir string) (fleet, error) {
	if c.InProcess {
		return goroutines(c, url, dir)
	}
	return processes(c, url, dir)
}

// operators names the laboratory's one operator to its agents.
func operators(dir string) string { return filepath.Join(dir, "authorized_operators") }

// Up is how many agents are connected now. Of those that are processes it is not
// known.
func (l *Lab) Up() int { return l.agents.up() }

// LogFile is what in-process agents say, unless Config.Log is another writer.
func (l *Lab) LogFile() string { return filepath.Join(l.Dir, logName) }

// PIDs are the agents' processes, where they have any of their own.
func (l *Lab) PIDs() []int { return l.agents.pids() }

// Node is the private broker; nil where the laboratory uses one that was there.
func (l *Lab) Node() *rabbit.Node { return l.node }

// Stop ends the agents, then the broker, and removes the directory.
func (l *Lab) Stop() error {
	var errs []error
	if l.agents != nil {
		errs = append(errs, l.agents.stop())
	}
	if l.node != nil {
		errs = append(errs, l.node.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(l.Dir))...)
}

// inProcess are agents that are goroutines.
type inProcess struct {
	agents  []*executor.Agent
	end     context.CancelFunc
	group   *errgroup.Group
	journal *shared
}

func goroutines(c Config, url, dir string) (fleet, error) {
	workers := c.Workers
	if workers == 0 {
		workers = executor.DefaultWorkers()
	}
	run := c.Runner
	if run == nil {
		run = process.Run
	}
	pool := make(chan struct{}, workers) // one machine's workers, shared by all its agents
	journal, err := openShared(dir)
	if err != nil {
		return nil, err
	}
	f := &inProcess{group: new(errgroup.Group), journal: journal, end: func() {}}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(c.Log, &slog.HandlerOptions{Level: level}))
	urls := strings.Split(url, ",")
	for i, host := range c.Hosts {
		files, err := trust.Open(operators(dir), "", true, log)
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		a, err := executor.New(executor.Config{
			ID: host, Version: version.String(), DataDir: dir, Journal: journal, Trust: files, Log: log,
			Limits: executor.Limits{Tolerance: OneClock},
			Broker: broker.Options{Dial: dial.Options{URLs: beginningWith(urls, i), Heartbeat: heartbeat}},
			Runner: pooled(pool, run), Inbox: c.Inbox,
		})
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		f.agents = append(f.agents, a)
	}
	var ctx context.Context
	ctx, f.end = context.WithCancel(context.Background())
	f.group.Go(func() error {
		f.launch(ctx)
		return nil
	})
	return f, nil
}

// beginningWith spreads the agents over a cluster: each tries another URL first.
func beginningWith(urls []string, i int) []string {
	i %= len(urls)
	return slices.Concat(urls[i:], urls[:i])
}

// launch starts the agents, so many at a time that none has to wait for its
// login longer than a broker's or its own patience.
func (f *inProcess) launch(ctx context.Context) {
	starting := make(chan struct{}, starting)
	for _, a := range f.agents {
		select {
		case starting <- struct{}{}:
		case <-ctx.Done():
			return
		}
		f.group.Go(func() error { return a.Run(ctx) })
		f.group.Go(func() error {
			_ = connected(ctx, a) // the agents are about to end
			<-starting
			return nil
		})
	}
}

// connected waits until an agent has its link.
func connected(ctx context.Context, a *executor.Agent) error {
	for s := a.Link(); s.Phase == broker.Connecting; s = s.Next() {
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return fmt.Errorf("the agents are not ready: %w (%w)", ctx.Err(), s.Err)
		}
	}
	return nil
}

// pooled makes all agents of the laboratory share one pool of workers.
func pooled(pool chan struct{}, run process.Runner) process.Runner {
	return func(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
		select {
		case pool <- struct{}{}:
			defer func() { <-pool }()
		case <-ctx.Done(): // run says so
		}
		return run(ctx, s, started, out)
	}
}

func (f *inProcess) ready(ctx context.Context) error {
	for _, a := range f.agents {
		if err := connected(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (f *inProcess) up() (n int) {
	for _, a := range f.agents {
		if a.Link().Phase != broker.Connecting {
			n++
		}
	}
	return n
}

func (f *inProcess) pids() []int { return nil }

func (f *inProcess) stop() error {
	f.end()
	err := f.group.Wait()
	return errors.Join(err, f.journal.close())
}
