package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"warren/executor"
	"warren/internal/hint"
	"warren/internal/testlab/rabbit"
)

// The two runners.
const (
	Exec = "true"  // the command is executed, by a shell
	Noop = "no-op" // the agent answers without executing anything
)

// Config is what is to be measured.
type Config struct {
	What        []string // of Measurements
	Broker      string   // URL of a broker that is there; empty starts a private node
	Hosts       []int    // of Table
	Rounds      int
	Runners     []string
	PushSize    int64     // bytes of the file of push
	CollectSize int64     // bytes of each file of collect
	LargeSize   int64     // bytes of the file of large
	ManyFiles   int       // files of large
	Separate    int       // hosts that are processes of their own, where there are several
	Programs    string    // directory of warren, warrend, warren-lab and warren-floor
	Profile     string    // directory for profiles; empty for none
	Log         io.Writer // says what is being done
}

// All is every measurement.
const All = "all"

// A measurement adds to the report.
type measurement struct {
	name, help string
	do         func(b *bench, ctx context.Context) error
}

// The measurements, in their order.
var measurements = []measurement{
	{"table", "floor and Warren, side by side, for each number of --hosts", (*bench).table},
	{"processes", "true on --processes hosts that are processes of their own", (*bench).processes},
	{"many", "10,000 hosts in one task", (*bench).many},
	{"agent", "an idle agent, and how it begins", (*bench).agent},
	{"output", "1 GiB from one host", (*bench).output},
	{"outputs", "64 KiB from each of 1,000 hosts", (*bench).manyOutputs},
	{"scale", "what agents cost their broker", (*bench).scale},
	{"push", "a file of --push-size to hosts that are processes; needs root on Linux", push},
	{"collect", "a file of --collect-size from each of the hosts that are processes; needs root on Linux", collect},
	{"large", "a file of --large-size and --many-files files, to one host and from it; needs root on Linux", large},
	{"reconnect", "5,000 agents whose broker is started again", (*bench).reconnect},
}

// Measurements are the names that Config.What takes, with what each is.
func Measurements() (names []string, help string) {
	var text strings.Builder
	for _, m := range measurements {
		names = append(names, m.name)
		fmt.Fprintf(&text, "  %-12s %s\n", m.name, m.help)
	}
	fmt.Fprintf(&text, "  %-12s %s\n", All, "each of them")
	return append(names, All), text.String()
}

// A bench is the state of a run of measurements.
type bench struct {
	cfg       Config
	programs  programs
	home      string // removed at the end
	url       string
	node      *rabbit.Node // nil where the broker was there
	brokerPID int          // 0 where it is not known
	prefix    string
	fleets    int // started so far
	report    *Report
}

type programs struct{ floor, lab, warren, warrend string }

// Run carries out the measurements of c.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	b := &bench{cfg: c, prefix: "bench-" + strings.ToLower(rand.Text()[:6]), report: newReport(c)}
	if b.programs, err = find(c.Programs); err != nil {
		return nil, err
	}
	if c.Profile != "" {
		if err := os.MkdirAll(c.Profile, 0o755); err != nil {
			return nil, err
		}
	}
	if b.home, err = os.MkdirTemp("", "warren-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.home)) }()
	for _, m := range measurements {
		if !slices.Contains(c.What, m.name) && !slices.Contains(c.What, All) {
			continue
		}
		if err := b.with(ctx, m); err != nil {
			return b.report, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.report, nil
}

// with carries one measurement out, on a broker that no other has used.
func (b *bench) with(ctx context.Context, m measurement) (err error) {
	b.url, b.brokerPID = b.cfg.Broker, 0
	if b.url == "" {
		b.say("%s: starting a private RabbitMQ", m.name)
		if b.node, err = rabbit.Start(ctx, rabbit.Config{}); err != nil {
			return err
		}
		b.url, b.brokerPID = b.node.URL(), b.node.PID()
		defer func() {
			err = errors.Join(err, b.node.Stop())
			b.node = nil
		}()
	}
	return m.do(b, ctx)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.cfg.Log, format+"\n", args...) }

// path is a file or directory of the run.
func (b *bench) path(name string) string { return filepath.Join(b.home, name) }

// workers are the commands that run at the same time, on both sides.
func workers() int { return executor.DefaultWorkers() }

func find(dir string) (p programs, err error) {
	for _, x := range []struct {
		path *string
		name string
	}{{&p.floor, "warren-floor"}, {&p.lab, "warren-lab"}, {&p.warren, "warren"}, {&p.warrend, "warrend"}} {
		name := x.name
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		if *x.path, err = exec.LookPath(filepath.Join(dir, name)); err != nil {
			return p, hint.Errorf("make build", "the program %s is not beside this one", x.name)
		}
	}
	return p, nil
}
