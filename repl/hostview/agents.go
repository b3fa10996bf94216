package hostview

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/target"
	"warren/repl/term"
)

// Agents prints a table: for eyes on a terminal, with whole times elsewhere.
func Agents(out *term.Console, agents []target.Agent) error {
	return out.Table(agentRows(out, agents), answeredColumn)
}

// answeredColumn is the last of agentRows: it says which hosts are offline.
const answeredColumn = 7

// agentRows is a table with a heading.
func agentRows(out *term.Console, agents []target.Agent) [][]string {
	rows := [][]string{{"ID", "NAMES", "OS", "ARCH", "VERSION", "LABELS", "RUNNING", "ANSWERED"}}
	for i := range agents {
		a := &agents[i]
		others := slices.DeleteFunc(slices.Clone(a.Names), func(name string) bool { return name == a.Agent.Agent })
		rows = append(rows, []string{
			a.Agent.Agent, hostexpr.Fold(others), system(&a.Facts), a.Facts.Arch, a.Facts.Version,
			labelsText(a.Facts.Labels), busy(out.Lang, a), answeredText(out.Lang, a, out.OutTerminal),
		})
	}
	return rows
}

// system is what runs there: the distribution where it is known.
func system(f *wire.Facts) string {
	if f.Distribution == "" {
		return f.OS
	}
	return strings.TrimSpace(f.Distribution + " " + f.DistributionVersion)
}

func labelsText(labels map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

// busy is the number of jobs, of an agent that can be asked.
func busy(lang *translate.Language, a *target.Agent) string {
	switch {
	case !a.Answers:
		return ""
	case a.Queued > 0:
		return lang.Sprintf("%d (+%d queued)", a.Running, a.Queued)
	default:
		return fmt.Sprint(a.Running)
	}
}

// answeredText is when the agent answered last.
func answeredText(lang *translate.Language, a *target.Agent, relative bool) string {
	text := a.Seen.UTC().Format(time.RFC3339)
	if relative {
		text = lang.Word("now")
	}
	switch wait := readyIn(a); {
	case !a.Answers && relative:
		text = lang.Sprintf("offline, %s ago", term.Duration(max(time.Second, time.Since(a.Seen).Truncate(time.Second))))
	case !a.Answers:
		text += lang.Word(" (not now)")
	case wait > 0 && relative: // short, since a terminal clips the line
		text = lang.Sprintf("new, ready in %s", wait)
	case wait > 0:
		text += lang.Sprintf(" (new, ready in %s)", wait)
	}
	return text
}

// readyIn is how long a new agent will take no jobs, in whole seconds. It refuses those that
// were issued before its journal began.
func readyIn(a *target.Agent) time.Duration {
	if a.ReadyAt == 0 {
		return 0
	}
	wait := time.UnixMilli(a.ReadyAt).Sub(time.UnixMilli(a.At)) - max(0, time.Since(a.Seen))
	return max(0, wait+time.Second-time.Millisecond).Truncate(time.Second)
}

// An agentDocument is an agent in JSON. What is not known is null.
type agentDocument struct {
	ID                  string            `json:"id"`
	Names               []string          `json:"names"`
	OS                  string            `json:"os"`
	Distribution        *string           `json:"distribution"`
	DistributionVersion *string           `json:"distribution_version"`
	Kernel              *string           `json:"kernel"`
	Arch                string            `json:"arch"`
	Version             string            `json:"version"`
	Hostname            string            `json:"hostname"`
	Addresses           *[]string         `json:"addresses"`
	CPUs                *int              `json:"cpus"`
	Memory              *int64            `json:"memory"`
	Booted              *time.Time        `json:"booted"`
	Labels              map[string]string `json:"labels"`
	CodePage            *int              `json:"code_page"`
	Started             time.Time         `json:"started"`
	UptimeMS            int64             `json:"uptime_ms"`
	Running             int               `json:"running"`
	Queued              int               `json:"queued"`
	Workers             int               `json:"workers"`
	Disk                *wire.Disk        `json:"disk"` // why the agent cannot write to it; null where it can
	Answered            time.Time         `json:"answered"`
	Answers             bool              `json:"answers"`  // now
	ReadyAt             *time.Time        `json:"ready_at"` // from when on a new agent takes jobs, by its clock; null: it takes them
	RefusedFiles        []refusedDocument `json:"refused_files"`
}

func WriteAgents(w io.Writer, agents []target.Agent) error {
	list := make([]agentDocument, len(agents))
	for i := range agents {
		list[i] = describeAgent(&agents[i])
	}
	return cli.WriteJSON(w, map[string]any{"agents": list})
}

func describeAgent(a *target.Agent) agentDocument {
	f := &a.Facts
	d := agentDocument{
		ID: a.Agent.Agent, Names: a.Names, OS: f.OS, Arch: f.Arch, Version: f.Version, Hostname: f.Hostname,
		Distribution: cli.PtrOrNil(f.Distribution), DistributionVersion: cli.PtrOrNil(f.DistributionVersion), Kernel: cli.PtrOrNil(f.Kernel),
		CPUs: cli.PtrOrNil(f.CPUs), Memory: cli.PtrOrNil(f.Memory), CodePage: cli.PtrOrNil(f.CodePage), Labels: f.Labels,
		Started: time.UnixMilli(f.StartedAt).UTC(), UptimeMS: a.At - f.StartedAt,
		Running: a.Running, Queued: a.Queued, Workers: a.Workers, Disk: cli.PtrOrNil(a.Disk), Answered: a.Seen.UTC(), Answers: a.Answers,
		RefusedFiles: describeRefused(a.RefusedFiles),
	}
	if f.Addresses != nil {
		d.Addresses = &f.Addresses
	}
	if readyIn(a) > 0 {
		ready := time.UnixMilli(a.ReadyAt).UTC()
		d.ReadyAt = &ready
	}
	if f.BootedAt != 0 {
		booted := time.UnixMilli(f.BootedAt).UTC()
		d.Booted = &booted
	}
	return d
}

// A refusedDocument is a wire.RefusedFile in JSON.
type refusedDocument struct {
	File    string  `json:"file"`
	Problem string  `json:"problem"`
	Path    string  `json:"path"`
	UID     *int64  `json:"uid"`
	Mode    *string `json:"mode"` // as chmod takes it
	Line    *int    `json:"line"`
	Reason  *string `json:"reason"`
}

func describeRefused(files []wire.RefusedFile) []refusedDocument {
	list := make([]refusedDocument, len(files))
	for i, f := range files {
		list[i] = refusedDocument{File: f.File, Problem: f.Problem, Path: f.Path, UID: cli.PtrOrNil(f.UID), Line: cli.PtrOrNil(f.Line), Reason: cli.PtrOrNil(f.Reason)}
		if f.Mode != 0 {
			list[i].Mode = cli.PtrOrNil(fmt.Sprintf("%04o", f.Mode))
		}
	}
	return list
}
