package repl

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/broker/dial"
	"warren/internal/config"
	"warren/repl/cli"
)

// A command is one line at the prompt, or one call from the shell. Its struct's
// tags are its grammar and its short help; Help, where it has one, the rest of
// its documentation.
type command interface {
	// Run carries it out. Its error says what to print and the exit status.
	Run(ctx context.Context, s *session) error
}

// commands are what both the prompt and the shell understand.
type commands struct {
	Run         runCommand         `cmd:"" usage:"run \"COMMAND\" --hosts \"EXPR …\"" help:"Run a command on hosts."`
	CheckTask   checkCommand       `cmd:"" name:"check_task" usage:"check_task ID" help:"Show what has come back from a task."`
	Tasks       tasksCommand       `cmd:"" usage:"tasks" help:"List the tasks, newest first."`
	Wait        waitCommand        `cmd:"" usage:"wait ID" help:"Wait until a task is done, then show its results."`
	Watch       watchCommand       `cmd:"" usage:"watch ID" help:"Show how a task goes on, in place."`
	Cancel      cancelCommand      `cmd:"" usage:"cancel ID" help:"Stop a task on all hosts."`
	Retry       retryCommand       `cmd:"" usage:"retry ID" help:"Send a task again, to the hosts that did not do well."`
	Hosts       hostsCommand       `cmd:"" usage:"hosts [expand|fold]" help:"Ask all agents who is there; or expand and fold host expressions."`
	BrokerSetup brokerSetupCommand `cmd:"" name:"broker-setup" usage:"broker-setup [--operator NAME] [--agent HOST,…]" help:"Print the rabbitmqctl commands that give Warren a virtual host and confined logins."`
	Help        helpCommand        `cmd:"" usage:"help [COMMAND]" help:"Show the commands, or all about one."`
	ShowConfig  configCommand      `cmd:"" name:"config" usage:"config" help:"Show each setting, its value and where that comes from."`
	Completion  completionCommand  `cmd:"" usage:"completion bash|zsh|fish" help:"Print what completes commands in your shell."`
	Exit        exitCommand        `cmd:"" aliases:"quit" usage:"exit" help:"Leave. Tasks go on; their results stay to be looked at."`
}

// link lets the subcommands see the flags of the command above them.
func (c *commands) link() {
	c.Hosts.Expand.parent, c.Hosts.Fold.parent = &c.Hosts, &c.Hosts
}

// anywhere are the flags of every command.
type anywhere struct {
	ShowHelp bool `name:"help" short:"h" help:"Show help and do nothing else."`
}

// globals are flags of the shell form. Each is, in this order, what the flag
// says, what the environment says, what the configuration file says, or the
// default.
type globals struct {
	Broker           []string      `placeholder:"URL,…" env:"WARREN_BROKER" default:"${broker}" help:"RabbitMQ to use; of several, the first that answers."`
	Login            dial.Login    `embed:"" envprefix:"WARREN_"`
	Identity         string        `placeholder:"FILE" env:"WARREN_IDENTITY" help:"SSH key to sign with, or none to sign nothing. Default: the first of ssh-agent, else ~/.ssh/id_ed25519, id_ecdsa, id_rsa."`
	Fleet            string        `placeholder:"NAME" env:"WARREN_FLEET" help:"Fleet that requests are signed for: hosts of another fleet refuse them. The same as --fleet of their agents."`
	DataDir          string        `placeholder:"DIR" env:"WARREN_DATA_DIR" help:"Directory of results, history and audit logs."`
	Groups           string        `placeholder:"FILE" env:"WARREN_GROUPS" help:"Groups of hosts (YAML), or a directory of such files, instead of ~/.config/warren/groups.yaml."`
	ResultsRetention cli.Retention `placeholder:"TIME" env:"WARREN_RESULTS_RETENTION" default:"90d" help:"How long the results of a task are kept once it is done; never removes none."`
	ResultsSize      cli.Size      `placeholder:"SIZE" env:"WARREN_RESULTS_SIZE" default:"1GiB" help:"Most that all results may take on the disk, the oldest removed first; 0 is no bound."`
	Color            cli.ColorWhen `placeholder:"WHEN" env:"WARREN_COLOR" default:"auto" help:"Colors: auto (on a terminal, unless NO_COLOR is set), always or never."`
	Config           string        `placeholder:"FILE" env:"WARREN_CONFIG" help:"Configuration file, instead of ~/.config/warren/config.toml."`
	Version          bool          `help:"Print the version and do nothing else."`
}

// shellGrammar is what `warren …` understands; alone it opens the prompt.
type shellGrammar struct {
	Anywhere anywhere      `embed:""`
	Globals  globals       `embed:""`
	Commands commands      `embed:""`
	Prompt   promptCommand `cmd:"" default:"1" hidden:""`
}

// promptGrammar is what a line at the prompt understands.
type promptGrammar struct {
	Anywhere anywhere   `embed:""`
	Use      useCommand `cmd:"" usage:"use [EXPR …]" help:"Name the hosts of the runs that follow."`
	Commands commands   `embed:""`
}

// newParser makes a parser of a grammar; one for each line, since kong keeps in
// it what the last line has set.
func newParser(grammar any, options ...kong.Option) *kong.Kong {
	options = append(options, kong.Name("warren"), kong.NoDefaultHelp(), kong.Vars{"broker": DefaultBroker},
		kong.Exit(func(int) { panic("kong must not exit") }))
	return kong.Must(grammar, options...)
}

// An invocation is what the arguments of `warren …` come to.
type invocation struct {
	command       command
	settings      Settings
	source        *config.Source   // where the prompt's lines find their settings
	configuration []config.Setting // for the command config
}

// parseShell reads the arguments of `warren …`.
func parseShell(args []string) (inv invocation, err error) {
	inv.source = &config.Source{Default: configPath(), Skip: needsNoSettings, All: allSettings}
	var g shellGrammar
	g.Commands.link()
	options := append(onlyFor(args), kong.Resolvers(inv.source))
	cmd, ctx, err := parse(newParser(&g, options...), args, &g.Anywhere)
	if err != nil {
		return inv, err
	}
	inv.command = cmd
	if g.Globals.Version {
		inv.command = versionCommand{}
		return inv, nil
	}
	if inv.settings, err = g.Globals.settings(args); err != nil || ctx == nil {
		return inv, err
	}
	switch cmd.(type) {
	case *configCommand, *promptCommand:
		inv.configuration, err = describe(inv.source, ctx, inv.settings)
	}
	return inv, err
}

// onlyFor leaves out of the shell's grammar all commands but the one that args
// begin with, where they do: kong builds the grammar by reflection, which takes
// milliseconds for them all. Help and config are about all of them.
func onlyFor(args []string) []kong.Option {
	if len(args) == 0 || args[0] == "" || args[0] == "help" || args[0] == "config" {
		return nil
	}
	var others []string
	t := reflect.TypeFor[commands]()
	for i := range t.NumField() {
		f := t.Field(i)
		name := cmp.Or(f.Tag.Get("name"), strings.ToLower(f.Name))
		if args[0] != name && !slices.Contains(strings.Split(f.Tag.Get("aliases"), ","), args[0]) {
			others = append(others, f.Name)
		}
	}
	if len(others) == t.NumField() {
		return nil
	}
	// Kong knows a field by the grammar's name and its own, so that no other field
	// of the grammar may have a command's name.
	return []kong.Option{kong.IgnoreFields(`^shellGrammar\.(` + strings.Join(others, "|") + `)$`)}
}

// allSettings are those of the shell's whole grammar.
func allSettings() []*kong.Flag { return config.Settings(newParser(new(shellGrammar)).Model) }

// needsNoSettings names the commands that work whatever the configuration file
// is like.
func needsNoSettings(command string) bool { return command == "help" || command == "completion" }

// parsePrompt reads the words of a line at the prompt.
func parsePrompt(words []string, source *config.Source) (command, error) {
	if len(words) > 0 && words[0] == "eixt" { // the original program knew this slip, and so do fingers
		words = append([]string{"exit"}, words[1:]...)
	}
	var g promptGrammar
	g.Commands.link()
	cmd, _, err := parse(newParser(&g, kong.Resolvers(source)), words, &g.Anywhere)
	return cmd, err
}

// parse returns the command, and what kong has made of the line where it is not
// only help that is asked for.
func parse(k *kong.Kong, args []string, anywhere *anywhere) (command, *kong.Context, error) {
	if err := cli.CheckText(args); err != nil {
		return nil, nil, err
	}
	trace, err := kong.Trace(k, args)
	if err != nil {
		return nil, nil, cli.Usage("", "%v", err)
	}
	if trace.Error != nil {
		return nil, nil, cli.Explain(trace)
	}
	// Before required things are asked for: `run --help` lacks hosts.
	for _, p := range trace.Path {
		if p.Flag != nil && p.Flag.Name == "help" {
			return &helpCommand{node: chosen(trace)}, nil, nil
		}
	}
	if err := assign(trace); err != nil {
		return nil, nil, cli.ExplainValue(err)
	}
	cmd, ok := trace.Selected().Target.Addr().Interface().(command)
	if !ok {
		panic(fmt.Sprintf("%s is no command", trace.Selected().Name))
	}
	if help, ok := cmd.(*helpCommand); ok {
		if err := help.find(k.Model.Node); err != nil {
			return nil, nil, err
		}
	}
	return cmd, trace, nil
}

// assign gives the grammar the values of a line. It is the rest of kong's Parse,
// which would trace the line once more, and look at every flag four times for hooks
// that no command has.
func assign(trace *kong.Context) error {
	if err := trace.Reset(); err != nil {
		return err
	}
	if err := trace.Resolve(); err != nil {
		return err
	}
	if _, err := trace.Apply(); err != nil {
		return err
	}
	return trace.Validate()
}

// chosen is the command that was named, or the whole grammar.
func chosen(trace *kong.Context) *kong.Node {
	if node := trace.Selected(); node != nil && !node.Hidden {
		return node
	}
	return trace.Model.Node
}
