package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"warren/internal/broker/dial"
	"warren/internal/config"
	"warren/internal/datadir"
	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// DefaultBroker is the broker's URL where no setting names one.
const DefaultBroker = "amqp://guest:guest@127.0.0.1:5672/"

// Settings are the settings of the operator's process. Each is the value of its
// flag, else of its environment variable, else of the configuration file, else its
// default.
type Settings struct {
	Broker   []string   // AMQP URLs, tried in turn
	Login    dial.Login // credentials for them
	Identity string     // SSH key file, or "none"; empty is the default
	Fleet    string     // that requests are signed for; empty is none
	DataDir  string
	Groups   string // file of groups of hosts, or directory of such files

	Inventory []string // Ansible inventories; none are those of Ansible's own configuration

	Color ColorWhen

	ShowResults ShowWhen // at the prompt, when a task ends

	// Retention of results; 0 means no limit.
	ResultsRetention time.Duration
	ResultsSize      int64
	CollectedSize    int64 // of archives

	Warnings []dial.Warning // about Broker and Login

	// Connect says that Engine.Connect follows at once, so that dialing may begin
	// while the rest of the process starts.
	Connect bool

	// Notify shows the operator a notice while a command runs, such as that a key
	// waits for a touch. Any goroutine may call it; it may be nil.
	Notify func(notice error)
}

// Globals are the flags of the shell form that set the process up.
type Globals struct {
	Broker           []string   `placeholder:"URL,…" env:"WARREN_BROKER" default:"${broker}" help:"URL of RabbitMQ. If you give several, warren uses the first that answers."`
	Login            dial.Login `embed:"" envprefix:"WARREN_"`
	Identity         string     `placeholder:"FILE" env:"WARREN_IDENTITY" help:"SSH key to sign with, or none to sign nothing. Default: the first of ssh-agent, else ~/.ssh/id_ed25519, id_ecdsa, id_rsa."`
	Fleet            string     `placeholder:"NAME" env:"WARREN_FLEET" help:"Fleet of the requests. Hosts of another fleet refuse them. It must equal --fleet of the agents."`
	DataDir          string     `placeholder:"DIR" env:"WARREN_DATA_DIR" help:"Directory of results, history and audit logs."`
	Groups           string     `placeholder:"FILE" env:"WARREN_GROUPS" help:"Groups of hosts: a YAML file, a directory of such files, or a groups.conf of ClusterShell. Default: ${groups}, else ClusterShell's groups.conf."`
	Inventory        []string   `placeholder:"PATH" env:"WARREN_INVENTORY" sep:"none" help:"Ansible inventory of @ansible:GROUP and of vars in --where, as ansible-inventory -i takes it. Default: the inventory of Ansible's own configuration. May be repeated."`
	ResultsRetention Retention  `placeholder:"TIME" env:"WARREN_RESULTS_RETENTION" default:"90d" help:"Remove results this long after their task is done; never keeps them."`
	ResultsSize      Size       `placeholder:"SIZE" env:"WARREN_RESULTS_SIZE" default:"1GiB" help:"Size limit of all results on the disk; the oldest are removed first. 0 means no limit."`
	CollectedSize    Size       `placeholder:"SIZE" env:"WARREN_COLLECTED_SIZE" default:"10GiB" help:"Size limit of the archives of all collects on the disk; the oldest collects are removed first, the newest stays. 0 means no limit."`
	Color            ColorWhen  `placeholder:"WHEN" env:"WARREN_COLOR" default:"auto" help:"Colors: auto (on a terminal, unless NO_COLOR is set), always or never."`
	ShowResults      ShowWhen   `placeholder:"WHEN" env:"WARREN_SHOW_RESULTS" default:"auto" help:"Show the results of a task at the prompt when it ends: auto (if they fit on the screen), always or never."`
	Config           string     `placeholder:"FILE" env:"WARREN_CONFIG" help:"Configuration file, instead of ${config}."`
	Version          bool       `help:"Print the version and do nothing else."`
}

// Settings returns the settings of a program that was called with args.
func (g *Globals) Settings(args []string) (Settings, error) {
	s := Settings{
		Login: g.Login, Identity: ExpandHome(g.Identity), Fleet: g.Fleet, DataDir: ExpandHome(g.DataDir), Color: g.Color, ShowResults: g.ShowResults,
		ResultsRetention: time.Duration(g.ResultsRetention), ResultsSize: int64(g.ResultsSize), CollectedSize: int64(g.CollectedSize),
	}
	if g.Fleet != "" {
		if err := wire.CheckFleet(g.Fleet); err != nil {
			return s, Usage("it is the --fleet of the hosts", "--fleet: %v", err)
		}
	}
	s.Login.Password = os.Getenv("WARREN_BROKER_PASSWORD")
	for _, url := range g.Broker {
		if url = strings.TrimSpace(url); url != "" {
			s.Broker = append(s.Broker, url)
		}
	}
	if len(s.Broker) == 0 {
		s.Broker = []string{DefaultBroker}
	}
	for _, inventory := range g.Inventory {
		s.Inventory = append(s.Inventory, ExpandHome(inventory))
	}
	if s.Groups = ExpandHome(g.Groups); s.Groups == "" {
		s.Groups = groupsFile()
	}
	s.Warnings = dial.Options{URLs: s.Broker, Login: s.Login}.Warnings(args)
	if s.DataDir == "" {
		dir, err := datadir.Default()
		if err != nil {
			return s, WithStatus(ExitUsage, err)
		}
		s.DataDir = dir
	}
	return s, nil
}

// GroupSources says where groups come from. Cache keeps the output of upcalls.
func (s *Settings) GroupSources(cache *upcall.Cache) lookup.Config {
	return lookup.Config{Path: s.Groups, Inventory: s.Inventory, Reserved: model.StatusNames(), Cache: cache}
}

// groupsFile is the default path of the groups: the operator's own file, or else the groups.conf
// that ClusterShell prefers, or else the path where the operator's file would be. A file that
// cannot be read comes first too: a group must not become that of another file.
func groupsFile() string {
	own := configPath("groups.yaml")
	files := append([]string{own, configPath("groups.conf")}, clusterShellFiles(runtime.GOOS, own)...)
	for _, file := range files {
		if _, err := os.Lstat(file); file != "" && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return file
		}
	}
	return own
}

// clusterShellFiles are the paths of ClusterShell's groups.conf, the first with the highest
// precedence. Own is the path of Warren's groups file, in a directory beside ClusterShell's. On
// Windows, anyone may write \etc on the drive of the working directory, and a groups.conf has
// commands.
func clusterShellFiles(goos, own string) []string {
	if dir := os.Getenv("CLUSTERSHELL_CFGDIR"); dir != "" {
		return []string{filepath.Join(dir, "groups.conf")}
	}
	var files []string
	if own != "" {
		files = append(files, filepath.Join(filepath.Dir(filepath.Dir(own)), "clustershell", "groups.conf"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".local", "etc", "clustershell", "groups.conf"))
	}
	if goos == "windows" {
		return files
	}
	return append(files, "/etc/clustershell/groups.conf")
}

// HelpPlace is the default path of a file that operators write, as the help shows it on this
// system: ~ and %AppData% stand for the operator's directories.
func HelpPlace(name string) string { return helpPlace(runtime.GOOS, name) }

func helpPlace(goos, name string) string {
	switch goos {
	case "windows":
		return `%AppData%\warren\` + name
	case "darwin":
		return "~/Library/Application Support/warren/" + name
	default:
		return "~/.config/warren/" + name
	}
}

// ConfigFile is the default path of the configuration file; "" where there is none.
func ConfigFile() string { return configPath("config.toml") }

// configPath is the path of a file that operators write; "" where the environment names no
// directory for it.
func configPath(name string) string {
	dir := configDir(runtime.GOOS, os.Getenv, os.UserHomeDir)
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// configDir is $XDG_CONFIG_HOME/warren or ~/.config/warren (XDG Base Directory
// Specification); on macOS ~/Library/Application Support/warren without the variable; on
// Windows %AppData%\warren.
func configDir(goos string, env func(string) string, home func() (string, error)) string {
	dir := env("XDG_CONFIG_HOME")
	switch {
	case goos == "windows":
		if dir = env("AppData"); dir == "" {
			return ""
		}
	case !filepath.IsAbs(dir):
		home, err := home()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
		if goos == "darwin" {
			dir = filepath.Join(home, "Library", "Application Support")
		}
	}
	return filepath.Join(dir, "warren")
}

// Describe returns each setting with its value and the source of that.
func Describe(source *config.Source, ctx *kong.Context, used Settings) ([]config.Setting, error) {
	settings, err := source.Describe(ctx)
	if err != nil {
		return nil, ExplainValue(err)
	}
	for i := range settings {
		switch s := &settings[i]; {
		case s.Name == "data_dir" && s.Value == "":
			s.Value = used.DataDir
		case s.Name == "groups" && s.Value == "":
			s.Value = used.Groups
		}
	}
	return settings, nil
}
