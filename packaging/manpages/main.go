// Command manpages writes the manual pages of warren and warrend into a directory: of the
// programs and their commands from their grammars, of authorized_operators from the file
// in this directory. The date of the pages is SOURCE_DATE_EPOCH.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"warren/internal/agent"
	"warren/internal/manpage"
	"warren/repl/grammar"
)

//go:embed authorized_operators.5
var authorizedOperators []byte

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manpages DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1], sourceDate()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// sourceDate is SOURCE_DATE_EPOCH, or else now.
func sourceDate() time.Time {
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	return time.Now()
}

// write writes all pages into dir.
func write(dir string, date time.Time) error {
	pages, err := pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, page := range pages {
		var text bytes.Buffer
		if err := page.Write(&text, date); err != nil {
			return err
		}
		name := fmt.Sprintf("%s.%d", page.Name, page.Section)
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	text := bytes.Replace(authorizedOperators, []byte("$DATE"), []byte(date.UTC().Format("January 2, 2006")), 1)
	return os.WriteFile(filepath.Join(dir, "authorized_operators.5"), text, 0o644)
}

// pages returns the pages of both programs.
func pages() ([]*manpage.Page, error) {
	daemon, err := agent.Model()
	if err != nil {
		return nil, err
	}
	shell, prompt := grammar.ShellModel(), grammar.PromptModel()
	all := []*manpage.Page{operatorPage(shell, prompt), agentPage(daemon)}
	for _, node := range prompt.Children {
		page := manpage.Command("warren", node)
		if !slices.ContainsFunc(shell.Children, func(c *kong.Node) bool { return c.Name == node.Name }) {
			page.Synopsis = []string{node.Tag.Get("usage")}
			page.Description += "\n\nThis command exists only at the prompt of warren."
		}
		all = append(all, page)
	}
	return all, nil
}

func operatorPage(shell, prompt *kong.Node) *manpage.Page {
	return &manpage.Page{
		Name: "warren", Section: 1, Summary: "run shell commands on many hosts through RabbitMQ",
		Synopsis: []string{"warren [FLAG…]", "warren [FLAG…] COMMAND …"},
		Description: `warren sends commands to the agents (warrend) of many hosts through RabbitMQ, and shows their results. Without COMMAND, it opens a prompt, which understands the same commands.

    warren run "uname -a" --hosts "web[01-20] 192.168.0.23"

Each request is signed with an SSH key. A host runs a command only if its authorized_operators file permits it for this key.`,
		Lists: []manpage.List{{Title: "COMMANDS", Items: manpage.Commands("warren", prompt)}, {Title: "OPTIONS", Items: manpage.Flags(shell)}},
		Environment: []manpage.Item{
			{Term: "WARREN_BROKER_PASSWORD", Text: "Password of the URL's user."},
			{Term: "NO_COLOR", Text: "If it is set and not empty, --color auto prints no colors."},
			{Term: "PAGER", Text: "Program that shows long output on a terminal."},
			{Term: "SSH_AUTH_SOCK", Text: "Socket of ssh-agent, whose first key signs unless --identity names another."},
		},
		Files: []manpage.Item{
			{Term: "~/.config/warren/config.toml", Text: "Settings. The name of a setting is its flag with _ for -. warren config shows each setting and where its value comes from."},
			{Term: "~/.config/warren/groups.yaml", Text: "Groups of hosts. Instead of it, warren also reads groups.conf of ClusterShell."},
			{Term: "~/.local/share/warren/results.db", Text: "Tasks and their results."},
			{Term: "~/.local/share/warren/execute_command.log", Text: "Each command that was sent."},
			{Term: "~/.local/share/warren/view_command.log", Text: "Each result that was viewed."},
		},
		ExitStatus: "0 the command succeeded, on every host; 1 a host failed or its result is unknown; 2 usage or configuration; 3 no broker.",
		SeeAlso:    []manpage.Reference{{Name: "ssh-agent", Section: 1}, {Name: "authorized_operators", Section: 5}, {Name: "warrend", Section: 8}},
	}
}

func agentPage(app *kong.Application) *manpage.Page {
	return &manpage.Page{
		Name: "warrend", Section: 8, Summary: "Warren's agent: run the commands of operators on this host",
		Synopsis: []string{"warrend [FLAG…]"},
		Description: `warrend connects to RabbitMQ, takes the requests for this host from its own queue, executes their commands, and sends the results back. It runs a command only if authorized_operators permits it for the key that signed the request. It refuses to start without this file, unless --allow-unsigned is set.

SIGTERM stops the agent: running commands may finish within --drain-grace, then the agent ends them. SIGHUP makes it read authorized_operators and revoked_operators at once and log their contents; changes to these files apply without it.

Each flag with an environment variable is also a setting in the configuration file. Its name is that of the flag with _ for -.`,
		Lists: []manpage.List{{Title: "COMMANDS", Items: manpage.Subcommands(app.Node)}, {Title: "OPTIONS", Items: manpage.Flags(app.Node)}},
		Environment: []manpage.Item{
			{Term: "WARREND_BROKER_PASSWORD", Text: "Password of the URL's user."},
			{Term: "GOMAXPROCS", Text: "Number of processors that the agent itself uses. Default: 1."},
		},
		Files: []manpage.Item{
			{Term: "/etc/warren/warrend.toml", Text: "Settings. warrend --show-config prints each setting and where its value comes from."},
			{Term: "/etc/warren/authorized_operators", Text: "Operators and their rights: see authorized_operators(5)."},
			{Term: "/etc/warren/revoked_operators", Text: "Revoked keys and certificates."},
			{Term: "/var/lib/warrend", Text: "Journal, output of commands, and decisions.log with each decision of the agent."},
		},
		ExitStatus: "0 after SIGINT or SIGTERM; 2 if a setting is wrong, the journal is damaged, or another agent uses the data directory, and 78 instead under systemd; 1 on another error. warrend status: 0 the agent is well, 1 it has a problem, 3 no agent runs. warrend service status: 0 the service runs, 3 it does not.",
		SeeAlso:    []manpage.Reference{{Name: "systemctl", Section: 1}, {Name: "warren", Section: 1}, {Name: "authorized_operators", Section: 5}},
	}
}
