// Package agent is the program warrend: its flags, its log, its start and its end.
package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"warren/executor"
	"warren/executor/filejob"
	"warren/internal/agent/journal"
	"warren/internal/agent/sdnotify"
	"warren/internal/agent/service"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/config"
	"warren/internal/datadir"
	"warren/internal/escape"
	"warren/internal/exposition"
	"warren/internal/hint"
	"warren/internal/redact"
	"warren/internal/secretfile"
	"warren/internal/version"
)

// flags are the settings. Each is also an environment variable WARREND_… and a
// setting in the configuration file.
type flags struct {
	Broker           []string          `help:"URL of RabbitMQ. If you give several, the agent uses the first that answers." placeholder:"URL" env:"WARREND_BROKER" default:"amqp://guest:guest@127.0.0.1:5672/"`
	Login            dial.Login        `embed:"" envprefix:"WARREND_"`
	ID               string            `name:"id" help:"Unique name of this agent. Default: the hostname." placeholder:"NAME" env:"WARREND_ID"`
	Alias            []string          `help:"Other names of this agent." placeholder:"NAME" env:"WARREND_ALIAS"`
	Label            map[string]string `help:"Label, such as role=web, by which operators select hosts with --where. May be repeated. In the environment, separate labels with semicolons." placeholder:"KEY=VALUE" env:"WARREND_LABEL" mapsep:";"`
	Fleet            string            `help:"Fleet of this host. The agent refuses requests that were signed for another fleet. Operators set the same --fleet." placeholder:"NAME" env:"WARREND_FLEET"`
	Inbox            bool              `help:"Keep a durable queue in which requests of run --when-online wait while this agent is offline." env:"WARREND_INBOX"`
	DataDir          string            `help:"Directory for the agent's files." type:"path" env:"WARREND_DATA_DIR" default:"${datadir}"`
	Trust            trustFlags        `embed:"" envprefix:"WARREND_"`
	Workers          int               `help:"Maximum number of commands that run at the same time." env:"WARREND_WORKERS" default:"${workers}"`
	Queue            int               `help:"Maximum number of jobs that wait for a worker. The agent rejects further jobs." env:"WARREND_QUEUE" default:"${queue}"`
	MaxOutput        int64             `help:"Maximum bytes kept of each output stream of a job, even if a request asks for more. Default: ${maxoutput}." placeholder:"BYTES" env:"WARREND_MAX_OUTPUT" default:"${maxoutput}"`
	OutputSize       int64             `help:"Maximum total bytes of kept output. The agent drops the oldest output first. Default: ${journalsize}." placeholder:"BYTES" env:"WARREND_OUTPUT_SIZE" default:"${journalsize}"`
	CollectSize      int64             `help:"Maximum total bytes of kept archives of collect. One collect may take half of it, and of the free space of the disk. The agent drops the oldest first. Default: ${collectsize}." placeholder:"BYTES" env:"WARREND_COLLECT_SIZE" default:"${collectsize}"`
	ResultsRetention time.Duration     `help:"How long results are kept." env:"WARREND_RESULTS_RETENTION" default:"${retention}"`
	ClockTolerance   time.Duration     `help:"Maximum difference between operators' clocks and this host's clock. An agent with a new journal refuses jobs for this long, because jobs that were issued earlier may have run already." env:"WARREND_CLOCK_TOLERANCE" default:"${tolerance}"`
	ResetJournal     bool              `help:"Move the journal aside and start a new one. The agent then refuses all requests issued before."`
	KillGrace        time.Duration     `help:"Time between TERM and KILL for a command that is stopped." env:"WARREND_KILL_GRACE" default:"${killgrace}"`
	DrainGrace       time.Duration     `help:"Time that running commands have to finish when the agent stops." env:"WARREND_DRAIN_GRACE" default:"${draingrace}"`
	Metrics          string            `help:"Serve metrics for Prometheus at http://ADDR/metrics. Without a host, as in 9469, ADDR is on the loopback interface." placeholder:"ADDR" env:"WARREND_METRICS"`
	MetricsFile      string            `help:"Write metrics to this file for node_exporter's textfile collector. The name ends in .prom." placeholder:"FILE" type:"path" env:"WARREND_METRICS_FILE"`
	LogFormat        string            `help:"Log as text or json." enum:"text,json" env:"WARREND_LOG_FORMAT" default:"text"`
	LogLevel         string            `help:"Minimum level of logged messages: debug, info, warn or error." enum:"debug,info,warn,error" env:"WARREND_LOG_LEVEL" default:"info"`
	Config           string            `help:"Configuration file. Default: ${config}." placeholder:"FILE" env:"WARREND_CONFIG" default:"${config}"`
	ShowConfig       bool              `help:"Print each setting, its value and its origin, and exit."`
	JSON             bool              `name:"json" help:"With --show-config or status: print one JSON document."`
	Version          kong.VersionFlag  `help:"Print the version and exit."`

	Run     struct{}        `cmd:"" default:"1" help:"Run the agent. This is the default."`
	Service serviceCommands `cmd:"" help:"Manage the agent as a Windows service."`
	Status  struct{}        `cmd:"" help:"Print the state of this host's agent. Exit status: 0 if all is well, 1 if something is wrong, 3 if no agent runs."`
}

// Main runs the program. args does not contain the program's name. It returns the exit
// status: 0 after SIGINT or SIGTERM, 2 on a configuration error, or 78 if systemd started it.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == filejob.HelperCommand {
		return filejob.Helper(os.Stdin, stdout, stderr)
	}
	managed := sdnotify.Managed()
	status := execute(args, stdout, stderr)
	if managed && status == exitUsage {
		return exitConfig
	}
	return status
}

func execute(args []string, stdout, stderr io.Writer) int {
	var f flags
	stdout, stderr = escape.LineWriter(stdout), escape.LineWriter(stderr)
	exited := -1
	source := &config.Source{Default: defaultConfig(), Strict: true}
	parser, err := newParser(&f, source.Default, fmt.Sprint(executor.DefaultWorkers()),
		translatedHelp(language()), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }), kong.Resolvers(source))
	if err != nil {
		return fail(stderr, err)
	}
	if err := config.DropEmptyVariables(parser.Model); err != nil {
		return fail(stderr, err)
	}
	ctx, err := parser.Parse(args)
	var file *config.Error
	switch {
	case exited >= 0:
		return exited // --help or --version
	case errors.As(err, &file):
		return failStart(args, stderr, file, service.Run)
	case err != nil:
		return failStart(args, stderr, hint.Errorf("warrend --help lists the flags", "%w", err), service.Run)
	case f.ShowConfig:
		return showConfig(stdout, stderr, source, ctx, f.JSON)
	case ctx.Command() == "status":
		return f.status(stdout, stderr)
	case strings.HasPrefix(ctx.Command(), "service "):
		return f.service(ctx, source, args, stdout, stderr)
	}
	return f.run(args, stderr)
}

// newParser makes the parser of the program. config is the default configuration file,
// workers the default of --workers.
func newParser(f *flags, config, workers string, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(f, append(options, kong.Name("warrend"),
		kong.Description("Warren's agent: runs the commands that operators send through RabbitMQ."),
		kong.Vars{
			"version": version.String(), "datadir": defaultDataDir(), "config": config, "operators": defaultOperators, "revoked": defaultRevoked,
			"workers": workers, "queue": fmt.Sprint(executor.DefaultQueue),
			"maxoutput":   fmt.Sprint(executor.DefaultMaxOutput),
			"collectsize": fmt.Sprint(executor.DefaultArchives),
			"journalsize": fmt.Sprint(executor.DefaultOutput), "retention": executor.DefaultRetention.String(), "tolerance": executor.DefaultTolerance.String(),
			"killgrace": executor.DefaultKillGrace.String(), "draingrace": executor.DefaultDrainGrace.String(),
		})...)
}

// Model returns the grammar of the program, for its manual page. It is the same on every
// machine, so it describes the default of --workers instead of calculating it.
func Model() (*kong.Application, error) {
	parser, err := newParser(new(flags), defaultConfig(), "twice the number of processors, at least 4")
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// Exit statuses.
const (
	exitOK         = 0
	exitFailed     = 1 // may succeed later; of warrend status: the agent has a problem
	exitUsage      = 2
	exitNotRunning = 3

	// exitConfig (EX_CONFIG of sysexits.h) is exitUsage for systemd, which does not restart the agent
	// then. exitUsage would also be the status of a Go program that crashes, or that the watchdog
	// ends with SIGABRT.
	exitConfig = 78
)

// fail reports a configuration error.
func fail(stderr io.Writer, err error) int {
	report(stderr, err)
	return exitUsage
}

// report prints an error with its hint, but no secrets of the command line.
func report(stderr io.Writer, err error) {
	lang := language()
	_, _ = lang.Fprintf(stderr, "error: %s\n", redact.Message(err.Error(), os.Args))
	for _, h := range hint.Of(err) {
		_, _ = lang.Fprintf(stderr, "hint: %s\n", redact.Message(h, os.Args))
	}
}

func (f *flags) agent(args []string, log *slog.Logger, reload <-chan os.Signal) (*executor.Agent, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := datadir.PrepareStrict(f.DataDir); err != nil {
		return nil, err
	}
	f.Login.Password, f.Login.Files = os.Getenv("WARREND_BROKER_PASSWORD"), secretfile.Strict
	options := broker.Options{Dial: dial.Options{URLs: f.Broker, Login: f.Login}}
	if err := options.Dial.CheckFiles(); err != nil {
		return nil, err
	}
	if f.ResetJournal {
		aside, err := journal.Reset(f.DataDir)
		if err != nil {
			return nil, err
		}
		log.Warn("the journal was reset", "old", aside)
	}
	files, err := f.Trust.files(log)
	if err != nil {
		return nil, err
	}
	agent, err := executor.New(executor.Config{
		ID: f.ID, Aliases: f.Alias, Labels: f.Label, Fleet: f.Fleet, Inbox: f.Inbox, Version: version.String(),
		Broker:    options,
		Limits:    executor.Limits{Workers: f.Workers, Queue: f.Queue, MaxOutput: f.MaxOutput, Output: f.OutputSize, Archives: f.CollectSize, Retention: f.ResultsRetention, Tolerance: f.ClockTolerance},
		KillGrace: f.KillGrace, DrainGrace: f.DrainGrace, DataDir: f.DataDir,
		Trust: files, Reload: reload, MaxValidity: f.Trust.MaxValidity, AllowUnsigned: f.Trust.AllowUnsigned, Log: log,
	})
	if err != nil {
		return nil, err
	}
	for _, w := range options.Dial.Warnings(args) {
		log.Warn(w.Text, "hint", w.Hint)
	}
	if f.Trust.AllowUnsigned {
		log.Warn("this agent executes unsigned requests: anybody who can publish to the broker can run anything on this host", "id", f.ID)
	}
	return agent, nil
}

// check validates the numbers and labels, and sets the default id.
func (f *flags) check() error {
	for _, n := range []struct {
		flag  string
		value int64
	}{{"--workers", int64(f.Workers)}, {"--queue", int64(f.Queue)}, {"--max-output", f.MaxOutput}, {"--output-size", f.OutputSize}, {"--collect-size", f.CollectSize}, {"--results-retention", int64(f.ResultsRetention)}, {"--clock-tolerance", int64(f.ClockTolerance)}, {"--kill-grace", int64(f.KillGrace)}, {"--drain-grace", int64(f.DrainGrace)}} {
		if n.value <= 0 {
			return fmt.Errorf("%s must be more than 0", n.flag)
		}
	}
	if f.Trust.MaxValidity < 0 {
		return errors.New("--max-validity must be more than 0")
	}
	for name, value := range f.Label {
		if strings.TrimSpace(name) == "" || value == "" {
			return hint.Errorf("--label role=web",
				"--label %s=%s: a label has a name and a value", name, value)
		}
	}
	if f.MetricsFile != "" {
		if err := exposition.CheckFile(f.MetricsFile); err != nil {
			return err
		}
	}
	if f.ID == "" {
		name, err := os.Hostname()
		if err != nil {
			return hint.Errorf("name the agent with --id",
				"cannot read this machine's hostname: %w", err)
		}
		f.ID = name
	}
	return nil
}

func (f *flags) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong has validated it
	return level
}

func (f *flags) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: f.level()}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(escape.JSONWriter(w), opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
