package groups

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"

	"warren/internal/textfile"
)

func (g *Groups) readYAML(file string) error {
	text, err := readText(file)
	if err != nil {
		return err
	}
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	err = decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil // nothing is written in it
	}
	if err == nil {
		err = decoder.Decode(&second)
	}
	switch {
	case err == nil:
		return located(file, problem{second.Line, "the file has more than one YAML document", "write all sources into one document"})
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("groups file %s: %w", file, err)
	}
	left := maxMembers
	err = members(doc.Content[0], "the file is", &left, func(name, value *yaml.Node) error {
		s := &source{name: name.Value, file: file}
		if err := g.add(s); err != nil {
			return at(name.Line, err)
		}
		return members(value, fmt.Sprintf("source %q is", name.Value), &left, func(name, value *yaml.Node) error {
			return s.add(name, value, &left)
		})
	})
	return located(file, err)
}

// readText reads a groups file.
func readText(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("groups: %w", err)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("groups: %s has %d bytes, the limit is %d", file, info.Size(), maxFile)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	text, err := textfile.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("groups file %s: %w", file, err)
	}
	return text, nil
}

// at adds the line to a problem.
func at(line int, err error) error {
	var p problem
	if errors.As(err, &p) {
		p.line = line
		return p
	}
	return err
}

// isDenied reports whether this user may not read a file.
func isDenied(err error) bool { return errors.Is(err, fs.ErrPermission) }

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
