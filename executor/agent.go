package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/executor/decisionlog"
	"warren/executor/filejob"
	"warren/executor/jobtable"
	"warren/executor/outbox"
	"warren/executor/outputlog"
	"warren/executor/scriptfile"
	"warren/internal/agent/facts"
	"warren/internal/agent/journal"
	"warren/internal/agent/process"
	"warren/internal/agent/trust"
	"warren/internal/agent/uptime"
	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/hostname"
	"warren/internal/wire"
)

// Config configures an agent. The zero value of a limit is its default.
type Config struct {
	ID      string   // the name that only this agent has; its queue is exclusive
	Aliases []string // further names
	Labels  map[string]string
	Fleet   string // the agent's fleet; empty: none
	Inbox   bool   // the agent has a queue in which requests wait while it is offline
	Version string // of Warren, for hello

	Broker broker.Options
	Limits Limits

	KillGrace  time.Duration // between TERM and KILL
	DrainGrace time.Duration // for running commands when the agent stops
	DataDir    string        // journal and output; scripts while they run

	// Journal replaces the journal in DataDir, for laboratories whose agents share one. Such
	// an agent knows no jobs of before, and keeps its output in memory and no decision log.
	Journal Journal

	// Trust holds the permissions of operators; with nil, no operator has any. The agent
	// owns it from then on. Each value of Reload makes the agent read it again.
	Trust  *trust.Files
	Reload <-chan os.Signal

	// AllowUnsigned lets anybody who reaches the broker run anything. If Trust is set too,
	// signed requests are verified all the same.
	AllowUnsigned bool

	// MaxValidity is the longest time for which a statement may be valid.
	MaxValidity time.Duration

	// CodePage returns the code page of commands' output, on Windows; nil is process.CodePage.
	CodePage func() int
	// Facts collects facts about this machine; nil is facts.Collect.
	Facts func() wire.Facts

	// Runner executes a command; nil is process.Run.
	Runner process.Runner
	// Survivors kills the processes that are left of a command whose agent was killed; nil
	// is process.KillSurvivors.
	Survivors func(id process.Identity, mark string, grace time.Duration) (process.Survivors, error)

	// Now is this host's clock; nil is time.Now.
	Now func() time.Time
	// Uptime is the time since boot, a clock that cannot be set; nil is uptime.Now.
	Uptime func() uptime.Reading

	Log *slog.Logger
}

// Limits bound the work and the memory of an agent.
type Limits struct {
	Workers   int           // commands that run at the same time
	Queue     int           // accepted jobs that wait for a worker
	Jobs      int           // jobs remembered
	Output    int64         // bytes of output kept of jobs that have ended
	Archives  int64         // bytes of archives of collects kept
	MaxOutput int64         // bytes kept of each stream of one job, whatever the request says
	Retention time.Duration // how long a result is kept
	Tolerance time.Duration // between the operator's clock and this one

	ChunkTimeout time.Duration // how long a push waits for the next part of its content; 0 is two minutes
}

// The defaults of Config.
const (
	DefaultQueue      = 256
	DefaultKillGrace  = 5 * time.Second
	DefaultDrainGrace = 10 * time.Second
	defaultJobs       = 50_000
	DefaultOutput     = 256 << 20
	DefaultArchives   = 3 << 30 // two collects of 1 GiB that no compression makes smaller, and some room
	DefaultMaxOutput  = 16 << 20
	DefaultRetention  = 7 * 24 * time.Hour
	DefaultTolerance  = wire.DefaultClockTolerance

	// DefaultHeartbeat costs 1,300 tiny packets a second with 10,000 agents. The broker
	// closes the connection of an agent that is silent for two or three intervals.
	DefaultHeartbeat = 30 * time.Second
)

// dialTimeout is long: when a whole fleet connects at the same time, an agent that gives up
// and tries again only adds to the work of the broker.
const dialTimeout = time.Minute

// DefaultWorkers returns how many commands run at the same time by default.
func DefaultWorkers() int { return max(4, 2*runtime.NumCPU()) }

// ErrUntrusting is the error of an agent that no operator may use.
var ErrUntrusting = errors.New("this host has no authorized_operators: nobody could run anything on it")

// An Agent executes the requests for one host.
type Agent struct {
	cfg       Config
	names     []string // the id first, then the aliases
	link      *broker.Link
	publisher *broker.Publisher

	deliveries chan delivery   // session → loop
	sessions   chan connection // session → loop: the names that it holds
	drained    chan struct{}   // session → loop: the inbox was read to its end
	reports    chan report     // exec goroutines → loop
	verdicts   chan broker.Verdict
	questions  chan chan *Status // Status → loop

	contents filejob.Contents // session → exec goroutines
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Agent, error) {
	if !cfg.AllowUnsigned && cfg.Trust == nil {
		return nil, ErrUntrusting
	}
	var names []string
	for _, n := range append([]string{cfg.ID}, cfg.Aliases...) {
		name, err := hostname.Normalize(n)
		if err != nil {
			return nil, fmt.Errorf("name of this agent: %w", err)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if err := wire.CheckNames(names); err != nil {
		return nil, fmt.Errorf("aliases of this agent: %w", err)
	}
	if err := wire.CheckLabels(cfg.Labels); err != nil {
		return nil, fmt.Errorf("labels of this agent: %w", err)
	}
	if err := checkFleet(&cfg); err != nil {
		return nil, err
	}
	cfg.ID = names[0]
	cfg.setDefaults()
	cfg.Broker.Dial.Name = "warrend " + cfg.ID
	cfg.Broker.Log = cfg.Log
	link, err := broker.NewLink(cfg.Broker)
	if err != nil {
		return nil, err
	}
	return &Agent{
		cfg: cfg, names: names, link: link, publisher: broker.NewPublisher(outbox.Window),
		deliveries: make(chan delivery),
		sessions:   make(chan connection),
		drained:    make(chan struct{}),
		reports:    make(chan report),
		verdicts:   make(chan broker.Verdict, outbox.Window), // never full: one for each publication in flight
		questions:  make(chan chan *Status),
	}, nil
}

// checkFleet refuses a fleet together with unsigned requests: only a signature says which
// fleet a request is for.
func checkFleet(c *Config) error {
	if c.Fleet == "" {
		return nil
	}
	if err := wire.CheckFleet(c.Fleet); err != nil {
		return fmt.Errorf("--fleet: %w", err)
	}
	if c.AllowUnsigned {
		return hint.Errorf("leave one of them out",
			"--fleet %s and --allow-unsigned contradict each other: an unsigned request belongs to no fleet", c.Fleet)
	}
	return nil
}

func (c *Config) setDefaults() {
	def(&c.Broker.Dial.Heartbeat, DefaultHeartbeat)
	def(&c.Broker.Dial.DialTimeout, dialTimeout)
	def(&c.Broker.SetupTimeout, broker.CallTimeout)
	def(&c.Limits.Workers, DefaultWorkers())
	def(&c.Limits.Queue, DefaultQueue)
	def(&c.Limits.Jobs, defaultJobs)
	def(&c.Limits.Output, int64(DefaultOutput))
	def(&c.Limits.Archives, int64(DefaultArchives))
	def(&c.Limits.MaxOutput, int64(DefaultMaxOutput))
	def(&c.Limits.Retention, DefaultRetention)
	def(&c.Limits.Tolerance, DefaultTolerance)
	if c.Inbox {
		def(&c.MaxValidity, inboxTTL) // as long as requests can wait there
	}
	def(&c.MaxValidity, wire.DefaultMaxValidity)
	def(&c.KillGrace, DefaultKillGrace)
	def(&c.DrainGrace, DefaultDrainGrace)
	if c.Runner == nil {
		c.Runner = process.Run
	}
	if c.Survivors == nil {
		c.Survivors = process.KillSurvivors
	}
	if c.CodePage == nil {
		c.CodePage = process.CodePage
	}
	if c.Facts == nil {
		c.Facts = facts.Collect
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Uptime == nil {
		c.Uptime = uptime.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// tableOptions returns the options of the job table.
func (c *Config) tableOptions() jobtable.Options {
	l := &c.Limits
	return jobtable.Options{
		Agent: c.ID, Workers: l.Workers, Queue: l.Queue, Jobs: l.Jobs, Retention: l.Retention,
		Tolerance: l.Tolerance, MaxValidity: c.MaxValidity,
	}
}

// def sets a value that is zero to its default.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Link returns the state of the connection to the broker.
func (a *Agent) Link() *broker.State { return a.link.State() }

// Run serves until ctx ends. Then running commands get DrainGrace, replies go out, and Run
// returns nil. It returns an error of the journal before it starts anything.
func (a *Agent) Run(ctx context.Context) error {
	if a.cfg.Journal != nil {
		kept, err := outputlog.Open("", a.cfg.Limits.Output, 0)
		if err != nil {
			return err
		}
		table := jobtable.New(a.cfg.tableOptions())
		table.Start(time.Time{}, true, a.cfg.now())
		return a.run(ctx, newLoop(a, table, kept, a.cfg.Journal), nil)
	}
	table := jobtable.New(a.cfg.tableOptions())
	file, err := journal.Open(a.cfg.DataDir, journal.Options{Now: a.cfg.Now}, table.Replay)
	if err != nil {
		return err
	}
	kept, err := a.openData(table, file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	l := newLoop(a, table, kept, file)
	l.journal.size = file.Size()
	if l.gate.decisions, err = decisionlog.Open(filepath.Join(a.cfg.DataDir, decisionlog.FileName), a.cfg.Log); err != nil {
		return errors.Join(err, kept.Close(), file.Close())
	}
	err = a.run(ctx, l, file.Run)
	return errors.Join(err, l.gate.decisions.Close(), file.Close())
}

// run runs the actors of the agent: link, loop and, unless it is nil, the journal.
func (a *Agent) run(ctx context.Context, l *loop, runJournal func(context.Context) error) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, work := errgroup.WithContext(work)
	if runJournal != nil {
		g.Go(func() error { return runJournal(work) })
	}
	g.Go(func() error { return a.link.Run(work, a.session) })
	g.Go(func() error {
		defer stop() // nothing is left to send or to write
		return l.run(ctx, work)
	})
	return g.Wait()
}

// openData takes up the data directory, whose journal this process alone has open, and
// returns the output of jobs.
func (a *Agent) openData(table *jobtable.Table, file *journal.Log) (*outputlog.Log, error) {
	note := table.Start(file.Created(), file.IsNew(), a.cfg.now())
	if now := a.cfg.Now(); note != "" {
		a.cfg.Log.Warn(note, "takes_jobs_from", table.KnownSince())
	} else if now.Before(table.KnownSince()) {
		a.cfg.Log.Info("the journal is new: jobs that were issued earlier may have run, and are not accepted",
			"takes_jobs_from", table.KnownSince(), "in", table.KnownSince().Sub(now).Round(time.Millisecond))
	}
	if torn := file.Torn(); torn > 0 {
		a.cfg.Log.Warn("removed an incomplete record at the end of the journal, as after a loss of power", "bytes", torn)
	}
	scriptfile.Sweep(a.cfg.DataDir)
	bounds := outputlog.Bounds{Output: a.cfg.Limits.Output, Archives: a.cfg.Limits.Archives}
	return outputlog.OpenBounded(filepath.Join(a.cfg.DataDir, "output"), bounds, table.LastOutputSegment())
}
