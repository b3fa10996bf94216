package groups

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// maxMembers bounds what a file may come to once its aliases and merge keys are
// resolved: sources, groups and expressions. A few lines can expand to any number.
const maxMembers = 1 << 20

func tooMany(line int) error {
	return problem{line, fmt.Sprintf("with its aliases resolved the file has more than %d groups and expressions", maxMembers), ""}
}

// members calls each with the members of a mapping. What its merge keys bring in
// follows its own members, which take precedence, as do earlier of several
// merged mappings (https://yaml.org/type/merge.html).
func members(node *yaml.Node, what string, left *int, each func(name, value *yaml.Node) error) error {
	m := merger{left: left, each: each}
	return m.mapping(node, what)
}

// A merger visits a mapping and what is merged into it.
type merger struct {
	left *int // how many members the file may still have
	each func(name, value *yaml.Node) error
	path []*yaml.Node    // the mappings under way, to find circles
	done map[string]bool // names that mappings of higher precedence have
}

func (m *merger) mapping(node *yaml.Node, what string) error {
	line := node.Line
	node = resolve(node)
	switch {
	case node.Kind != yaml.MappingNode:
		return problem{line, what + " not a mapping of names", mappingHint(node)}
	case slices.Contains(m.path, node):
		return problem{line, "a merge key (<<) merges a mapping into itself", "take one of the merge keys away"}
	}
	m.path = append(m.path, node)
	var merged []*yaml.Node
	var own []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := resolve(node.Content[i]), node.Content[i+1]
		if *m.left--; *m.left < 0 {
			return tooMany(line)
		}
		if name.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if !isString(name) || name.Value == "" {
			return problem{name.Line, fmt.Sprintf("%q is not a name", name.Value), "put it in quotes"}
		}
		if m.done[name.Value] {
			continue
		}
		own = append(own, name.Value)
		if err := m.each(name, value); err != nil {
			return err
		}
	}
	if m.done == nil {
		m.done = make(map[string]bool)
	}
	for _, name := range own {
		m.done[name] = true
	}
	for _, value := range merged {
		if err := m.merge(value); err != nil {
			return err
		}
	}
	m.path = m.path[:len(m.path)-1]
	return nil
}

// merge visits the value of a merge key: a mapping, or a list of them.
func (m *merger) merge(value *yaml.Node) error {
	values := []*yaml.Node{value}
	if list := resolve(value); list.Kind == yaml.SequenceNode {
		values = list.Content
	}
	for _, v := range values {
		if *m.left--; *m.left < 0 {
			return tooMany(v.Line)
		}
		if err := m.mapping(v, "the value of a merge key (<<) is"); err != nil {
			return err
		}
	}
	return nil
}

// mappingHint says what to write where a mapping is required.
func mappingHint(node *yaml.Node) string {
	if isNull(node) {
		return "write {} for one without members"
	}
	return formHint
}
