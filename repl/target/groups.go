package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"warren/internal/hint"
	"warren/internal/operator/groups"
	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/hostexpr"
	"warren/internal/operator/inventory"
	"warren/internal/operator/model"
	"warren/internal/suggest"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// A GroupLookup finds the groups that expressions name: those of the operator's sources, and the
// hosts of earlier tasks by how they ended, as in @web, @racks:r1, @failed:1b4e. It reads the
// sources once.
type GroupLookup struct {
	env         *Env
	sources     *lookup.Groups
	interrupted error // Ctrl-C has ended the program of a source
}

// NewGroupLookup returns a lookup. Those of one Env read the sources once.
func (env *Env) NewGroupLookup() *GroupLookup {
	if env.sources == nil {
		env.sources = lookup.New(env.Groups)
	}
	return &GroupLookup{env: env, sources: env.sources}
}

// Evaluate returns the hosts of an expression. From is the flag or command that the expression
// was given to; errors name it.
func (l *GroupLookup) Evaluate(ctx context.Context, from, expr string) (*hostexpr.Set, error) {
	set, err := hostexpr.Evaluate(expr, wire.MaxLeaves, func(source, name string) ([]string, string, error) {
		return l.group(ctx, source, name)
	})
	if l.interrupted != nil {
		return nil, l.interrupted
	}
	return set, cli.WithStatus(cli.ExitUsage, prefixed(from, err))
}

func (l *GroupLookup) group(ctx context.Context, source, name string) (exprs []string, home string, err error) {
	if slices.Contains(model.StatusNames(), source) {
		exprs, err = l.env.hostsOf(ctx, source, name)
		return exprs, "", err
	}
	if !l.sources.Runs(source) {
		exprs, home, err = l.sources.Group(ctx, source, name)
		return exprs, home, l.explain(source, name, err)
	}
	err = l.interruptible(ctx, func(ctx context.Context) error {
		exprs, home, err = l.sources.Group(ctx, source, name)
		if err == nil && len(exprs) == 0 && name != "*" {
			l.warnOfEmpty(ctx, home, name)
		}
		return err
	})
	return exprs, home, l.explain(source, name, err)
}

// interruptible runs programs, which Ctrl-C ends.
func (l *GroupLookup) interruptible(ctx context.Context, run func(ctx context.Context) error) error {
	err := l.env.Interruptible(ctx, run)
	if errors.Is(err, term.ErrInterrupted) {
		l.interrupted = cli.ExitWith(cli.ExitFailed)
	}
	return err
}

// warnOfEmpty prints a warning about a group without hosts that its source does not list: its name
// may be misspelled.
func (l *GroupLookup) warnOfEmpty(ctx context.Context, source, name string) {
	names, known, err := l.sources.Names(ctx, source)
	if err == nil && known && !slices.Contains(names, name) {
		l.env.Out.Note("warning: group %s has no hosts, and source %q does not list it", l.sources.Written(source, name), source)
	}
}

// Inventory returns the Ansible inventory.
func (l *GroupLookup) Inventory(ctx context.Context) (inv *inventory.Inventory, err error) {
	err = l.interruptible(ctx, func(ctx context.Context) error {
		inv, err = l.sources.Inventory(ctx)
		return err
	})
	return inv, err
}

// explain adds to an error about a group what the operator may do.
func (l *GroupLookup) explain(source, name string, err error) error {
	var unknown *groups.UnknownError
	var group *inventory.UnknownGroupError
	switch {
	case errors.As(err, &unknown):
		return explainUnknown(source, name, unknown)
	case errors.As(err, &group):
		return suggested(group, suggest.For(group.Name, group.Known), group.Known)
	case errors.Is(err, groups.ErrNoFile):
		return l.missingFile(source, name)
	}
	return err
}

// missingFile is the error of a group without a groups file.
func (l *GroupLookup) missingFile(source, name string) error {
	written, path := "@"+name, l.env.Groups.Path
	if source != "" {
		written = "@" + source + ":" + name
	}
	switch {
	case path == "":
		return hint.Errorf("name one with --groups or WARREN_GROUPS", "group %s: there is no groups file", written)
	case written == "@all":
		return hint.Errorf(allHint, "group @all: there is no groups file at %s", path)
	}
	return hint.Errorf("write one, as in  roles: {web: 'web[01-20]'}  or name another with --groups or WARREN_GROUPS",
		"group %s: there is no groups file at %s", written, path)
}

// explainUnknown says what may have been meant by a group that is not known.
func explainUnknown(source, name string, unknown *groups.UnknownError) error {
	known := unknown.Known
	if unknown.Source == "" {
		known = append(known, lookup.Ansible)
		known = append(known, model.StatusNames()...)
	}
	help := suggest.For(unknown.Name, known)
	switch {
	case source == "" && name == "all":
		help = allHint
	case help != "":
	case slices.Contains(model.StatusNames(), name):
		help = fmt.Sprintf("for the hosts of an earlier task write @%s:ID", name)
	case len(unknown.Skipped) > 0:
		help = "you may not read " + term.List(unknown.Skipped, 3)
	}
	return suggested(unknown, help, unknown.Known)
}

// suggested adds a hint: help, or else the names that are known.
func suggested(err error, help string, known []string) error {
	if help == "" && len(known) > 0 {
		help = "there are " + term.List(known, 10)
	}
	if help == "" {
		return err
	}
	return hint.Errorf(help, "%w", err)
}

// hostsOf returns the hosts of a task whose jobs a word is true of.
func (env *Env) hostsOf(ctx context.Context, word, id string) ([]string, error) {
	task, err := env.FindTask(ctx, id, "@"+word)
	if err != nil {
		return nil, err
	}
	jobs, err := env.Store().Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for i := range jobs {
		if jobs[i].Is(word) {
			hosts = append(hosts, jobs[i].Host)
		}
	}
	return []string{strings.Join(hosts, ",")}, nil
}
