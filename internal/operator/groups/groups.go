// Package groups reads groups of hosts from files in ClusterShell's forms: YAML
// (https://clustershell.readthedocs.io/en/latest/config.html#yaml-group-files):
//
//	roles:
//	    web: 'web[01-20]'
//	    live: '@web,@racks:r1!web07'
//	racks:
//	    r1: ['node[1-4]', 'node9']
//
// and groups.conf, whose sources are commands or directories of YAML files:
//
//	[Main]
//	default: roles
//	autodir: $CFGDIR/groups.d
//	[slurm]
//	map: sinfo -h -o %N -p $GROUP
//	list: sinfo -h -o %R
//
// The package returns groups as text; package hostexpr evaluates them. It keeps the groups
// in memory. Package upcall runs the commands.
package groups

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"warren/internal/operator/groups/upcall"
)

// maxFile bounds a file of groups, in bytes.
const maxFile = 16 << 20

// allGroup is the name of the group of all hosts of a source, if the source defines it.
const allGroup = "all"

// Groups are the sources of a file, or of the files of a directory.
type Groups struct {
	path     string
	reserved []string
	cache    *upcall.Cache
	sources  []*source
	first    *source  // the source of groups without a source; nil where there is none
	skipped  []string // files that this user may not read
}

// A source has groups, or commands that know them.
type source struct {
	name   string
	file   string // that defines it
	groups []group
	upcall *upcall.Source // nil for a source of a YAML file
}

type group struct {
	name  string
	exprs []string
}

// An UnknownError says that there is no such source, or none of its groups has
// this name.
type UnknownError struct {
	Path   string
	Source string   // where it was looked for; "" where the source is unknown
	Name   string   // of the group, or of the source
	Known  []string // the names that exist

	Skipped []string // files that may define the source, but that this user may not read
}

func (e *UnknownError) Error() string {
	if e.Source == "" {
		return fmt.Sprintf("no source of groups is called %q in %s", e.Name, e.Path)
	}
	return fmt.Sprintf("no group is called %q in source %q of %s", e.Name, e.Source, e.Path)
}

// Options are how Load reads.
type Options struct {
	Reserved []string      // names that a source may not have
	Cache    *upcall.Cache // of the output of commands; nil is a new one
}

// ErrNoFile is the error of Load if the path does not exist, or is a directory without files.
var ErrNoFile = errors.New("there is no groups file")

// Load reads a file: groups.conf, or any file whose name ends in .conf, and else YAML. Of a
// directory it reads all files *.yaml in the order of their names.
func Load(path string, o Options) (*Groups, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoFile
	case err != nil:
		return nil, fmt.Errorf("groups: %w", err)
	}
	g := &Groups{path: path, reserved: o.Reserved, cache: o.Cache}
	if g.cache == nil {
		g.cache = new(upcall.Cache)
	}
	switch {
	case info.IsDir():
		files, err := filesOf(path, ".yaml")
		if err == nil && len(files) == 0 {
			err = ErrNoFile
		}
		for _, file := range files {
			if err == nil {
				err = g.readYAML(file)
			}
		}
		if err != nil {
			return nil, err
		}
	case strings.EqualFold(filepath.Ext(path), ".conf"):
		err = g.readMain(path)
	default:
		err = g.readYAML(path)
	}
	if err != nil {
		return nil, err
	}
	if g.first == nil && len(g.sources) > 0 {
		g.first = g.sources[0]
	}
	return g, nil
}

// filesOf returns the files of a directory whose names have an ending, without those whose names
// begin with a dot: editors write such files.
func filesOf(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// add adds a source; its name must be new.
func (g *Groups) add(s *source) error {
	if slices.Contains(g.reserved, s.name) {
		return problem{
			text: fmt.Sprintf("a source cannot be called %q", s.name),
			hint: fmt.Sprintf("@%s:ID stands for hosts of an earlier task; choose another name", s.name),
		}
	}
	if other := g.named(s.name); other != nil {
		where := ""
		if other.file != s.file {
			where = ", also in " + other.file
		}
		return problem{text: fmt.Sprintf("source %q is defined twice%s", s.name, where)}
	}
	g.sources = append(g.sources, s)
	return nil
}

func (g *Groups) named(name string) *source {
	for _, s := range g.sources {
		if s.name == name {
			return s
		}
	}
	return nil
}

// A problem is an error in a groups file.
type problem struct {
	line       int
	text, hint string
}

func (f problem) Error() string { return f.text }

// ErrorHint implements hint.Hinter.
func (f problem) ErrorHint() string { return f.hint }

// Group returns what is written for a group, and the source in which it was
// found; a source of "" is the default source. The name "*" stands for all hosts of the source:
// those of its group all or of its command all, or else those of all its groups together.
// If there is no such group in a file, the error is an *UnknownError.
func (g *Groups) Group(ctx context.Context, source, name string) (exprs []string, home string, err error) {
	s, err := g.find(source)
	if err != nil {
		return nil, "", err
	}
	if s.upcall != nil {
		exprs, err = g.call(ctx, s, name)
		return exprs, s.name, err
	}
	switch found := s.find(name); {
	case found != nil:
		return found.exprs, s.name, nil
	case name != "*":
		return nil, "", &UnknownError{Path: g.path, Source: s.name, Name: name, Known: s.names()}
	}
	if found := s.find(allGroup); found != nil {
		return found.exprs, s.name, nil
	}
	for _, group := range s.groups {
		exprs = append(exprs, group.exprs...)
	}
	return exprs, s.name, nil
}

func (g *Groups) find(name string) (*source, error) {
	s := g.first
	if name != "" {
		s = g.named(name)
	}
	switch {
	case s != nil:
		return s, nil
	case name == "":
		return nil, fmt.Errorf("no group is defined in %s", g.path)
	}
	return nil, &UnknownError{Path: g.path, Name: name, Known: g.Sources(), Skipped: g.skipped}
}

// call asks the commands of a source for the hosts of a group.
func (g *Groups) call(ctx context.Context, s *source, name string) ([]string, error) {
	if name != "*" {
		text, err := s.upcall.Hosts(ctx, g.cache, name)
		return hosts(text), err
	}
	if s.upcall.All != "" {
		text, err := s.upcall.AllHosts(ctx, g.cache)
		return hosts(text), err
	}
	if s.upcall.List == "" {
		return nil, problem{
			text: fmt.Sprintf("source %q has neither an all upcall nor a list upcall", s.name),
			hint: fmt.Sprintf("name its groups, as in @%s:GROUP", s.name),
		}
	}
	names, err := s.upcall.Groups(ctx, g.cache)
	if err != nil {
		return nil, err
	}
	var exprs []string
	for _, name := range names {
		text, err := s.upcall.Hosts(ctx, g.cache, name)
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, hosts(text)...)
	}
	return exprs, nil
}

// hosts is the expression that a command has printed: as for ClusterShell, blanks and line ends
// mean the same as a comma.
func hosts(text string) []string {
	if words := strings.Fields(text); len(words) > 0 {
		return []string{strings.Join(words, ",")}
	}
	return nil
}

func (s *source) find(name string) *group {
	for i := range s.groups {
		if s.groups[i].name == name {
			return &s.groups[i]
		}
	}
	return nil
}

func (s *source) names() []string {
	names := make([]string, len(s.groups))
	for i := range s.groups {
		names[i] = s.groups[i].name
	}
	return names
}

// Sources returns the names of the sources.
func (g *Groups) Sources() []string {
	names := make([]string, len(g.sources))
	for i, s := range g.sources {
		names[i] = s.name
	}
	return names
}

// Written returns how a group of a source is written in an expression: @web of the default
// source, @racks:r1 of the others.
func (g *Groups) Written(source, name string) string {
	if g.first != nil && source == g.first.name {
		return "@" + name
	}
	return "@" + source + ":" + name
}

// Names returns the names of the groups of a source. Known is false for a source whose commands
// list no groups.
func (g *Groups) Names(ctx context.Context, source string) (names []string, known bool, err error) {
	s, err := g.find(source)
	switch {
	case err != nil:
		return nil, false, err
	case s.upcall == nil:
		return s.names(), true, nil
	case s.upcall.List == "":
		return nil, false, nil
	}
	names, err = s.upcall.Groups(ctx, g.cache)
	return names, true, err
}

// IsCommand reports whether commands know the groups of a source.
func (g *Groups) IsCommand(source string) bool {
	s, err := g.find(source)
	return err == nil && s.upcall != nil
}

// GroupsOf returns the groups of a host as the reverse command of a source prints them. Known is
// false if the source has no such command.
func (g *Groups) GroupsOf(ctx context.Context, source, host string) (names []string, known bool, err error) {
	s, err := g.find(source)
	if err != nil || s.upcall == nil || s.upcall.Reverse == "" {
		return nil, false, err
	}
	names, err = s.upcall.GroupsOf(ctx, g.cache, host)
	return names, true, err
}
