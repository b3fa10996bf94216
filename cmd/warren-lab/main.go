// Command warren-lab runs a whole Warren on this machine: a private RabbitMQ
// node, agents for the hosts named, and the REPL on them. It leaves nothing
// behind.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"warren/internal/hint"
	"warren/internal/operator"
	"warren/internal/operator/hostexpr"
	"warren/internal/testlab/bench"
	"warren/internal/testlab/lab"
	"warren/internal/version"
)

// maxHosts bounds what one machine is asked to play.
const maxHosts = 20_000

type flags struct {
	Demo          demo          `cmd:"" default:"withargs" help:"A laboratory: a private RabbitMQ, agents, and the REPL on them."`
	Bench         benchmark     `cmd:"" help:"Measure Warren against the floor, which is what AMQP itself costs."`
	BenchAgents   benchAgents   `cmd:"" hidden:""`
	BenchOperator benchOperator `cmd:"" hidden:""`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

type demo struct {
	Hosts     string `help:"Hosts to play." placeholder:"EXPR" default:"web[01-03]"`
	InProcess bool   `help:"Agents are goroutines of this process: thousands are possible."`
	Broker    string `help:"Use a broker that is there, instead of a private node." placeholder:"URL"`
	Workers   int    `help:"Commands at the same time: of each agent, or of all in-process ones together." placeholder:"N"`
	Serve     bool   `help:"Open no REPL: print how to connect and run until interrupted."`
}

func main() { os.Exit(run()) }

func run() int {
	var f flags
	measurements, help := bench.Measurements()
	command := kong.Parse(&f, kong.Name("warren-lab"), kong.Vars{"version": version.String(), "measurements": strings.Join(measurements, ","), "what": help},
		kong.Description("A laboratory: a whole Warren on this machine."))
	status := 0
	if err := command.Run(&status); err != nil {
		return fail(err)
	}
	return status
}

// Run opens the laboratory.
func (f *demo) Run(status *int) error {
	hosts, err := hostexpr.Expand(f.Hosts, maxHosts)
	if err != nil {
		return err
	}
	// Until the REPL is there an interrupt ends the start; afterwards it is the
	// REPL's own, and with --serve the way to end.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.Broker == "" {
		forgetBrokers()
	}
	fmt.Fprintf(os.Stderr, "starting %s …\n", f.describe(len(hosts)))
	l, err := lab.Start(ctx, lab.Config{Hosts: hosts, Broker: f.Broker, InProcess: f.InProcess, Workers: f.Workers})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ready: %s\n", hostexpr.Fold(hosts))
	*status = f.use(ctx, stop, l, hosts)
	return l.Stop()
}

// forgetBrokers removes from the environment the passwords and certificates that
// are for other brokers than the private one.
func forgetBrokers() {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "WARREN_BROKER") || strings.HasPrefix(name, "WARREND_BROKER") {
			_ = os.Unsetenv(name) // a name that is there is a good one
		}
	}
}

// use gives the laboratory to an operator, whose own configuration file is for
// another broker.
func (f *demo) use(ctx context.Context, stop func(), l *lab.Lab, hosts []string) int {
	data, groups := filepath.Join(l.Dir, "operator"), filepath.Join(l.Dir, "groups.yaml")
	if err := os.WriteFile(groups, []byte(groupsOf(hosts)), 0o600); err != nil {
		return fail(err)
	}
	if !f.Serve {
		stop()
		return operator.Main([]string{"--config=", "--broker", l.URL, "--identity", l.Identity, "--groups", groups, "--data-dir", data})
	}
	fmt.Printf("export WARREN_CONFIG=%s\nexport WARREN_BROKER=%s\nexport WARREN_IDENTITY=%s\nexport WARREN_GROUPS=%s\nexport WARREN_DATA_DIR=%s\n", os.DevNull, l.URL, l.Identity, groups, data)
	fmt.Fprintln(os.Stderr, "Ctrl-C ends it")
	<-ctx.Done()
	return 0
}

// numbered is a host name such as web01.
var numbered = regexp.MustCompile(`^([a-z]+)-?[0-9]+$`)

// groupsOf returns a groups file: web01 and web02 are the group @web.
func groupsOf(hosts []string) string {
	groups := map[string][]string{}
	for _, host := range hosts {
		if m := numbered.FindStringSubmatch(host); m != nil {
			groups[m[1]] = append(groups[m[1]], host)
		}
	}
	var b strings.Builder
	b.WriteString("demo:\n  all: \"" + hostexpr.Fold(hosts) + "\"\n")
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "  %s: %q\n", name, hostexpr.Fold(groups[name]))
	}
	return b.String()
}

func (f *demo) describe(n int) string {
	broker, agents := "a private RabbitMQ", "agents"
	if f.Broker != "" {
		broker = "on the broker given"
	}
	if n == 1 {
		agents = "agent"
	}
	return fmt.Sprintf("%s and %d %s", broker, n, agents)
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "error: %s\n", hint.Text(err))
	return 1
}
