package grammar

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/comparison"
	"warren/repl/filecommand"
	"warren/repl/rollouts"
	"warren/repl/search"
	"warren/repl/setupcommand"
	"warren/repl/taskref"
)

// A definition is a command with its short help.
type definition struct {
	name, alias string
	usage, help string
	promptOnly  bool
	new         func() command.Command
}

// definitions are all commands, in the order of help.
var definitions = []definition{
	{name: "use", usage: "use [EXPR …]", help: "Set the hosts of commands that name none.", promptOnly: true, new: func() command.Command { return new(command.Use) }},
	{name: "run", usage: `run "COMMAND" --hosts "EXPR …"`, help: "Run a command on hosts.", new: func() command.Command { return new(command.Run) }},
	{name: "push", usage: `push SRC… --to PATH --hosts "EXPR …"`, help: "Copy files to hosts.", new: func() command.Command { return new(filecommand.Push) }},
	{name: "collect", usage: `collect PATH… --hosts "EXPR …" [--save DIR]`, help: "Copy files from hosts.", new: func() command.Command { return new(filecommand.Collect) }},
	{name: "check_task", usage: "check_task [ID]", help: "Show the results of a task.", new: func() command.Command { return new(command.CheckTask) }},
	{name: "tasks", usage: "tasks", help: "List the tasks, newest first.", new: func() command.Command { return new(command.Tasks) }},
	{name: "wait", usage: "wait [ID]", help: "Wait until a task is done, then show its results.", new: func() command.Command { return new(command.Wait) }},
	{name: "watch", usage: "watch [ID]", help: "Show the progress of a task in a live view.", new: func() command.Command { return new(command.Watch) }},
	{name: "cancel", usage: "cancel ID", help: "Stop a task on all hosts.", new: func() command.Command { return new(command.Cancel) }},
	{name: "pause", usage: "pause ID", help: "Pause a rollout.", new: func() command.Command { return new(rollouts.Pause) }},
	{name: "resume", usage: "resume ID", help: "Continue a rollout that is paused, or whose process has ended.", new: func() command.Command { return new(rollouts.Resume) }},
	{name: "retry", usage: "retry ID", help: "Rerun a task on the hosts where it failed.", new: func() command.Command { return new(command.Retry) }},
	{name: "diff", usage: "diff ID1 ID2", help: "Show what has changed on the hosts between two tasks.", new: func() command.Command { return new(comparison.Diff) }},
	{name: "grep", usage: "grep RE", help: "Search the stored output of all tasks for lines that match a regular expression.", new: func() command.Command { return new(search.Grep) }},
	{name: "hosts", usage: "hosts [--hosts EXPR] [--where CONDITION] [--all]", help: "List the agents that are online; expand or fold host expressions; list groups; or forget hosts.", new: command.NewHosts},
	{name: "rights", usage: "rights [--hosts EXPR]", help: "List what your key may do on hosts.", new: func() command.Command { return new(command.Rights) }},
	{
		name: "broker-setup", usage: "broker-setup [--operator NAME] [--agent HOST,…]",
		help: "Print the rabbitmqctl commands that create a virtual host and confined logins.", new: func() command.Command { return new(setupcommand.BrokerSetup) },
	},
	{name: "help", usage: "help [COMMAND]", help: "List the commands, or explain one.", new: func() command.Command { return new(helpCommand) }},
	{name: "config", usage: "config", help: "Show each setting with its value and the source of the value.", new: func() command.Command { return new(command.Config) }},
	{name: "doctor", usage: "doctor [--hosts EXPR]", help: "Check the broker, the login, the signing key, the clock and a host.", new: func() command.Command { return new(command.Doctor) }},
	{name: "completion", usage: "completion bash|zsh|fish", help: "Print a completion function for your shell.", new: func() command.Command { return new(command.Completion) }},
	{name: "exit", alias: "quit", usage: "exit", help: "Exit. Tasks continue, and their results are kept.", new: func() command.Command { return new(exitCommand) }},
}

// option adds the command to a grammar.
func (d *definition) option() kong.Option {
	tags := []string{"usage:" + strconv.Quote(d.usage)}
	if d.alias != "" {
		tags = append(tags, "aliases:"+strconv.Quote(d.alias))
	}
	return kong.DynamicCommand(d.name, d.help, "", d.new(), tags...)
}

// commonFlags are the flags of every command.
type commonFlags struct {
	ShowHelp bool `name:"help" short:"h" help:"Show help and do nothing else."`
}

// shellGrammar is what `warren …` understands, besides the commands; alone it opens
// the prompt.
type shellGrammar struct {
	Common  commonFlags `embed:""`
	Globals cli.Globals `embed:""`
	Prompt  struct{}    `cmd:"" default:"1" hidden:""`
}

// promptGrammar is what a line at the prompt understands, besides the commands.
type promptGrammar struct {
	Common commonFlags `embed:""`
}

// shellParser makes the parser for args. If these begin with a command, it has only
// that command: kong takes milliseconds for all of them. Help and config need all.
func shellParser(g *shellGrammar, args []string, options ...kong.Option) *kong.Kong {
	isFirst := func(d definition) bool {
		return len(args) > 0 && (args[0] == d.name || args[0] == d.alias) && args[0] != ""
	}
	one := slices.IndexFunc(definitions, isFirst)
	for i, d := range definitions {
		alone := one >= 0 && definitions[one].name != "help" && definitions[one].name != "config"
		if !d.promptOnly && (!alone || i == one) {
			options = append(options, d.option())
		}
	}
	return newParser(g, options...)
}

// promptParser makes the parser of a line at the prompt.
func promptParser(options ...kong.Option) *kong.Kong {
	for _, d := range definitions {
		options = append(options, d.option())
	}
	return newParser(new(promptGrammar), options...)
}

// newParser makes a parser for one line: kong keeps the values of the last line in it.
func newParser(grammar any, options ...kong.Option) *kong.Kong {
	options = append(options, kong.Name("warren"), kong.NoDefaultHelp(), kong.NamedMapper("localfile", cli.LocalFile),
		kong.Vars{"broker": cli.DefaultBroker, "config": cli.HelpPlace("config.toml"), "groups": cli.HelpPlace("groups.yaml")},
		kong.Exit(func(int) { panic("kong must not exit") }))
	return kong.Must(grammar, options...)
}

// ShellModel is the grammar of the shell form, for completion.
func ShellModel() *kong.Node { return shellParser(new(shellGrammar), nil).Model.Node }

// PromptModel is the grammar of the prompt, for completion.
func PromptModel() *kong.Node { return promptParser().Model.Node }

// An Invocation is the meaning of the arguments of `warren …`.
type Invocation struct {
	Command  command.Command // nil opens the prompt
	Settings cli.Settings
	Config   command.ConfigReport // without settings for commands that do not use them
}

// ParseShell reads the arguments of `warren …`.
func ParseShell(args []string) (inv Invocation, err error) {
	inv.Config.Source = &config.Source{Default: cli.ConfigFile(), Skip: needsNoSettings, All: allSettings}
	var g shellGrammar
	cmd, trace, err := parse(shellParser(&g, args, kong.Resolvers(inv.Config.Source)), args)
	if err != nil {
		return inv, explainPromptOnly(err)
	}
	inv.Command = cmd
	if g.Globals.Version {
		inv.Command = versionCommand{}
		return inv, nil
	}
	if inv.Settings, err = g.Globals.Settings(args); err != nil || trace == nil {
		return inv, err
	}
	if _, isConfig := cmd.(*command.Config); isConfig || cmd == nil {
		inv.Config.Settings, err = cli.Describe(inv.Config.Source, trace, inv.Settings)
	}
	return inv, err
}

// explainPromptOnly replaces an error about a command that only the prompt has.
func explainPromptOnly(err error) error {
	var unknown *cli.UnknownCommandError
	isOnly := func(d definition) bool { return d.promptOnly && d.name == unknown.Word }
	if errors.As(err, &unknown) && slices.ContainsFunc(definitions, isOnly) {
		return cli.Usage("warren without a command opens the prompt", "%s is a command of the prompt only", unknown.Word)
	}
	return err
}

// allSettings are those of the shell's whole grammar.
func allSettings() []*kong.Flag {
	return config.Settings(shellParser(new(shellGrammar), nil).Model)
}

// needsNoSettings names the commands that ignore the configuration file.
func needsNoSettings(command string) bool { return command == "help" || command == "completion" }

// ParsePrompt reads the words of a line at the prompt.
func ParsePrompt(words []string, source *config.Source) (command.Command, error) {
	if len(words) > 0 && words[0] == "eixt" { // the original program knew this slip, and so do fingers
		words = append([]string{"exit"}, words[1:]...)
	}
	cmd, _, err := parse(promptParser(kong.Resolvers(source)), words)
	return cmd, err
}

// parse returns the command, nil for the prompt, and what kong has made of the line,
// nil for --help.
func parse(k *kong.Kong, args []string) (command.Command, *kong.Context, error) {
	if err := cli.CheckText(args); err != nil {
		return nil, nil, err
	}
	if err := config.DropEmptyVariables(k.Model); err != nil {
		return nil, nil, err
	}
	trace, err := kong.Trace(k, args)
	if err != nil {
		return nil, nil, cli.Usage("", "%v", err)
	}
	if trace.Error != nil {
		if args, ok := taskref.SeparatePosition(trace, args); ok {
			return parse(k, args)
		}
		return nil, nil, cli.Explain(trace)
	}
	// Before required flags are checked: `run --help` has no hosts.
	for _, p := range trace.Path {
		if p.Flag != nil && p.Flag.Name == "help" {
			return &helpCommand{node: selected(trace)}, nil, nil
		}
	}
	if err := cli.MissingFlag(trace, selected(trace)); err != nil {
		return nil, nil, err
	}
	if trace, err = k.Parse(args); err != nil {
		return nil, nil, cli.ExplainValue(err)
	}
	if err := checkEmpty(trace); err != nil {
		return nil, nil, err
	}
	if trace.Selected().Hidden {
		return nil, trace, nil
	}
	cmd, ok := trace.Selected().Target.Addr().Interface().(command.Command)
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

// checkEmpty refuses an empty text as the value of a flag, as of --user "$U" with a variable that
// is not set: without the flag the line means something else. An empty setting is its default.
func checkEmpty(trace *kong.Context) error {
	for _, p := range trace.Path {
		if f := p.Flag; f != nil && len(f.Envs) == 0 && slices.Contains([]reflect.Kind{reflect.String, reflect.Slice}, f.Target.Kind()) && f.Target.Len() == 0 {
			return cli.Usage("if a shell variable has the value, it may not be set", "--%s is empty", f.Name)
		}
	}
	return nil
}

// selected is the command that was named, or the whole grammar.
func selected(trace *kong.Context) *kong.Node {
	if node := trace.Selected(); node != nil && !node.Hidden {
		return node
	}
	return trace.Model.Node
}
