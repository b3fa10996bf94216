// Package groups reads groups of hosts from files in ClusterShell's YAML form
// (https://clustershell.readthedocs.io/en/latest/config.html#yaml-group-files):
//
//	roles:
//	    web: 'web[01-20]'
//	    live: '@web,@racks:r1!web07'
//	racks:
//	    r1: ['node[1-4]', 'node9']
//
// The package returns groups as text; package hostexpr evaluates them. It keeps the groups
// in memory, and starts nothing.
package groups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"warren/internal/textfile"
)

// maxFile bounds a file of groups, in bytes.
const maxFile = 16 << 20

// allGroup is the name of the group of all hosts of a source, if the source defines it.
const allGroup = "all"

// Groups are the groups of a file, or of the files of a directory.
type Groups struct {
	path    string
	sources []source // the first is the one of groups without a source
}

type source struct {
	name   string
	groups []group
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
}

func (e *UnknownError) Error() string {
	if e.Source == "" {
		return fmt.Sprintf("no source of groups is called %q in %s", e.Name, e.Path)
	}
	return fmt.Sprintf("no group is called %q in source %q of %s", e.Name, e.Source, e.Path)
}

// Load reads a file, or all files *.yaml of a directory in the order of their
// names. A source may not have one of the reserved names.
func Load(path string, reserved []string) (*Groups, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(quoteGlob(path), "*.yaml")); err != nil {
			return nil, fmt.Errorf("groups: %w", err)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("groups: %s has no file *.yaml: %w", path, fs.ErrNotExist)
		}
	}
	g := &Groups{path: path}
	for _, file := range files {
		if err := g.read(file, reserved); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// quoteGlob makes a path match itself only.
func quoteGlob(path string) string {
	if filepath.Separator == '\\' {
		return path // where a backslash quotes nothing
	}
	var quoted []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, path[i])
	}
	return string(quoted)
}

func (g *Groups) read(file string, reserved []string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return fmt.Errorf("groups: %w", err)
	case info.Size() > maxFile:
		return fmt.Errorf("groups: %s has %d bytes, the limit is %d", file, info.Size(), maxFile)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	text, err := textfile.Decode(data)
	if err != nil {
		return fmt.Errorf("groups file %s: %w", file, err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("groups file %s: %w", file, err)
	}
	if doc.IsZero() {
		return nil // nothing is written in it
	}
	left := maxMembers
	err = members(doc.Content[0], "the file is", &left, func(name, value *yaml.Node) error {
		if slices.Contains(reserved, name.Value) {
			return problem{
				name.Line, fmt.Sprintf("a source cannot be called %q", name.Value),
				fmt.Sprintf("@%s:ID stands for hosts of an earlier task; choose another name", name.Value),
			}
		}
		if slices.ContainsFunc(g.sources, func(s source) bool { return s.name == name.Value }) {
			return problem{name.Line, fmt.Sprintf("source %q is defined twice", name.Value), ""}
		}
		s := source{name: name.Value}
		err := members(value, fmt.Sprintf("source %q is", name.Value), &left, func(name, value *yaml.Node) error {
			return s.add(name, value, &left)
		})
		g.sources = append(g.sources, s)
		return err
	})
	var f problem
	if errors.As(err, &f) {
		return fmt.Errorf("groups file %s, line %d: %w", file, f.line, f)
	}
	return err
}

// A problem is an error in a groups file.
type problem struct {
	line       int
	text, hint string
}

func (f problem) Error() string { return f.text }

// ErrorHint implements hint.Hinter.
func (f problem) ErrorHint() string { return f.hint }

const formHint = "the form is: source: {group: 'nodes'}, as in  roles: {web: 'web[01-20]'}"

func (s *source) add(name, value *yaml.Node, left *int) error {
	if s.find(name.Value) != nil {
		return problem{name.Line, fmt.Sprintf("group %q is defined twice in source %q", name.Value, s.name), ""}
	}
	g := group{name: name.Value}
	nodes := []*yaml.Node{resolve(value)}
	if nodes[0].Kind == yaml.SequenceNode {
		nodes = nodes[0].Content
	}
	if *left -= len(nodes); *left < 0 {
		return tooMany(name.Line)
	}
	for _, n := range nodes {
		switch n = resolve(n); {
		case isNull(n): // an empty group, as for nodeset
		case isString(n):
			g.exprs = append(g.exprs, n.Value)
		default:
			return problem{n.Line, fmt.Sprintf("group %q is neither an expression nor a list of them", g.name), valueHint(n)}
		}
	}
	s.groups = append(s.groups, g)
	return nil
}

// valueHint says how to write what is no expression.
func valueHint(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "write one list, without lists in it"
	case yaml.MappingNode:
		return "a group cannot contain groups; name them in an expression: '@one,@two'"
	}
	return fmt.Sprintf("put it in quotes: '%s'", n.Value)
}

func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func isString(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str"
}

// Group returns what is written for a group, and the source in which it was
// found; a source of "" is the first. The name "*" is the group all of the
// source, or else all its groups together. Its error is an *UnknownError.
func (g *Groups) Group(source, name string) (exprs []string, home string, err error) {
	s, err := g.find(source)
	if err != nil {
		return nil, "", err
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
	var known []string
	for i := range g.sources {
		if g.sources[i].name == name || name == "" {
			return &g.sources[i], nil
		}
		known = append(known, g.sources[i].name)
	}
	if name == "" {
		return nil, fmt.Errorf("no group is defined in %s", g.path)
	}
	return nil, &UnknownError{Path: g.path, Name: name, Known: known}
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

// Names returns all groups as they are written in an expression: @web of the
// first source, @racks:r1 of the others.
func (g *Groups) Names() []string {
	var names []string
	for i := range g.sources {
		for _, name := range g.sources[i].names() {
			if i > 0 {
				name = g.sources[i].name + ":" + name
			}
			names = append(names, "@"+name)
		}
	}
	return names
}
