package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"warren/internal/testlab/bench"
	"warren/repl/cli"
)

type benchmark struct {
	What        []string `arg:"" optional:"" enum:"${measurements}" default:"table" help:"What to measure: ${enum}. Default: table."`
	Broker      string   `help:"Measure on a broker that is there, instead of private nodes." placeholder:"URL" env:"WARREN_BENCH_BROKER"`
	Hosts       []int    `help:"Numbers of hosts of the table." default:"1,10,100,1000,5000"`
	Rounds      int      `help:"Turns of each side." default:"9"`
	Runner      []string `help:"What the table's hosts do: ${enum}." enum:"true,no-op" default:"true,no-op"`
	PushSize    cli.Size `help:"Size of the file that push copies." default:"200MiB" placeholder:"SIZE"`
	CollectSize cli.Size `help:"Size of the files that collect copies." default:"4MiB" placeholder:"SIZE"`
	LargeSize   cli.Size `help:"Size of the file of large." default:"4GiB" placeholder:"SIZE"`
	ManyFiles   int      `help:"How many files large copies." default:"50000"`
	Processes   int      `help:"Number of hosts in measurements whose hosts are processes." default:"50"`
	Profile     string   `help:"Write profiles of the Go parts there." placeholder:"DIR" type:"path"`
	JSON        bool     `name:"json" help:"Print one JSON document with every sample."`
}

// Help lists the measurements.
func (*benchmark) Help() string {
	_, text := bench.Measurements()
	return "Measurements:\n\n" + text
}

// Run measures and prints.
func (f *benchmark) Run(*int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Config{
		What: f.What, Broker: f.Broker, Hosts: f.Hosts, Rounds: f.Rounds, Runners: f.Runner, PushSize: int64(f.PushSize), CollectSize: int64(f.CollectSize),
		LargeSize: int64(f.LargeSize), ManyFiles: f.ManyFiles, Separate: f.Processes, Profile: f.Profile,
		Programs: filepath.Dir(self), Log: os.Stderr,
	})
	if report == nil {
		return err
	}
	show := report.Text
	if f.JSON {
		show = report.JSON
	}
	return errors.Join(err, show(os.Stdout))
}

func (f *benchmark) check() error {
	if f.Rounds < 1 || f.Processes < 1 || f.ManyFiles < 1 {
		return errors.New("--rounds, --processes and --many-files must be 1 at least")
	}
	for _, n := range f.Hosts {
		if n < 1 || n > maxHosts {
			return errors.New("--hosts takes numbers of hosts, as in 10,1000")
		}
	}
	return nil
}

// benchAgents and benchOperator are parts of a measurement.
type (
	benchAgents struct {
		Prefix         string
		Hosts, Workers int
		Processes      bool
		Inbox          bool
		Verbose        bool
	}
	benchOperator struct {
		Prefix, DataDir string
	}
)

func (p *benchAgents) Run(*int) error {
	part := bench.AgentsPart{URL: os.Getenv("WARREN_BROKER"), Prefix: p.Prefix, Hosts: p.Hosts, Workers: p.Workers, Processes: p.Processes, Inbox: p.Inbox, Verbose: p.Verbose}
	return part.Serve(context.Background(), os.Stdin, os.Stdout)
}

func (p *benchOperator) Run(*int) error {
	return bench.Operator(context.Background(), cli.Settings{Broker: []string{os.Getenv("WARREN_BROKER")}, Identity: os.Getenv("WARREN_IDENTITY"), DataDir: p.DataDir}, p.Prefix, os.Stdin, os.Stdout)
}
