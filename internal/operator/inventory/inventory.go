// Package inventory reads Ansible inventories: what `ansible-inventory --list` prints about any
// of them, with groups and variables, and the hosts of a plain file in Ansible's INI form.
package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"warren/internal/hint"
	"warren/internal/hostname"
)

// allGroup is the group of all hosts.
const allGroup = "all"

// An Inventory has hosts in groups.
type Inventory struct {
	groups map[string]group
	hosts  map[string]*Host // by their names in the inventory
}

type group struct {
	Hosts    []string `json:"hosts"`
	Children []string `json:"children"`
}

// A Host is a host of an inventory.
type Host struct {
	Name string         // in the inventory
	Vars map[string]any // nil, string, float64, bool, []string; or anything else that JSON has
}

// Variables that say under which name a host can be reached.
const (
	warrenHost  = "warren_host"  // the name of its agent
	ansibleHost = "ansible_host" // the name or address that Ansible connects to
)

// AgentName returns the name under which Warren knows the host: the variable warren_host, or the
// name in the inventory, or the variable ansible_host if the name is not a host name.
func (h *Host) AgentName() (string, error) {
	if name, ok := h.Vars[warrenHost].(string); ok {
		normal, err := hostname.Normalize(name)
		if err != nil {
			return "", fmt.Errorf("%s of %q: %w", warrenHost, h.Name, err)
		}
		return normal, nil
	}
	normal, err := hostname.Normalize(h.Name)
	if err == nil {
		return normal, nil
	}
	if address, ok := h.Vars[ansibleHost].(string); ok {
		if normal, err := hostname.Normalize(address); err == nil {
			return normal, nil
		}
	}
	return "", hint.Errorf("give it the variable "+warrenHost+", the name that its agent answers to", "%w", err)
}

// An UnknownGroupError says that no group of an inventory has a name.
type UnknownGroupError struct {
	Name  string
	Known []string
}

func (e *UnknownGroupError) Error() string {
	return fmt.Sprintf("no group of the Ansible inventory is called %q", e.Name)
}

// parseList reads what ansible-inventory --list prints.
func parseList(text string) (*Inventory, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	inv := &Inventory{groups: map[string]group{}, hosts: map[string]*Host{}}
	var meta struct {
		HostVars map[string]map[string]any `json:"hostvars"`
	}
	for name, raw := range members {
		if name == "_meta" {
			if err := json.Unmarshal(raw, &meta); err != nil {
				return nil, fmt.Errorf("_meta: %w", err)
			}
			continue
		}
		var g group
		if err := json.Unmarshal(raw, &g); err != nil {
			return nil, fmt.Errorf("group %q: %w", name, err)
		}
		inv.groups[name] = g
		for _, host := range g.Hosts {
			inv.hosts[host] = &Host{Name: host}
		}
		for _, child := range g.Children { // one without hosts is not listed
			if _, ok := members[child]; !ok {
				inv.groups[child] = group{}
			}
		}
	}
	for name, vars := range meta.HostVars {
		if inv.hosts[name] == nil {
			inv.hosts[name] = &Host{Name: name}
		}
		for key, value := range vars {
			vars[key] = plain(value)
		}
		inv.hosts[name].Vars = vars
	}
	return inv, nil
}

// plain brings the value of a variable into the form that conditions use. What a vault has
// encrypted is not known.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if _, encrypted := v["__ansible_vault"]; encrypted {
			return nil
		}
		if text, ok := v["__ansible_unsafe"].(string); ok {
			return text
		}
	case []any:
		words := make([]string, len(v))
		for i, item := range v {
			switch item := plain(item).(type) {
			case string:
				words[i] = item
			case bool, float64:
				words[i] = fmt.Sprint(item)
			default:
				return value
			}
		}
		return words
	}
	return value
}

// Group returns the names of the agents of a group's hosts, in the order of the inventory;
// "*" stands for all hosts. If there is no such group, the error is an *UnknownGroupError.
func (inv *Inventory) Group(name string) ([]string, error) {
	if name == "*" || name == allGroup {
		return agentNames(inv.sorted())
	}
	if _, ok := inv.groups[name]; !ok {
		return nil, &UnknownGroupError{Name: name, Known: inv.Groups()}
	}
	var found []*Host
	for _, host := range inv.members(name) {
		found = append(found, inv.hosts[host])
	}
	return agentNames(found)
}

// members returns the hosts of a group and of the groups in it. A group that contains itself
// ends there.
func (inv *Inventory) members(name string) []string {
	var hosts []string
	taken, visited := map[string]bool{}, map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if visited[name] {
			return
		}
		visited[name] = true
		for _, host := range inv.groups[name].Hosts {
			if !taken[host] {
				taken[host] = true
				hosts = append(hosts, host)
			}
		}
		for _, child := range inv.groups[name].Children {
			visit(child)
		}
	}
	visit(name)
	return hosts
}

func (inv *Inventory) sorted() []*Host {
	var all []*Host
	for _, name := range slices.Sorted(maps.Keys(inv.hosts)) {
		all = append(all, inv.hosts[name])
	}
	return all
}

func agentNames(hosts []*Host) ([]string, error) {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		var err error
		if names[i], err = h.AgentName(); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// Groups returns the names of all groups.
func (inv *Inventory) Groups() []string {
	names := slices.Collect(maps.Keys(inv.groups))
	if !slices.Contains(names, allGroup) {
		names = append(names, allGroup)
	}
	slices.Sort(names)
	return names
}

// Vars returns the variables of hosts by the names and addresses of their agents.
func (inv *Inventory) Vars() *Vars {
	v := &Vars{byName: map[string]*Host{}, byAddress: map[string]*Host{}}
	for _, h := range inv.sorted() {
		for _, name := range []any{h.Vars[warrenHost], h.Name} {
			v.byName.add(name, h)
		}
		v.byAddress.add(h.Vars[ansibleHost], h)
	}
	return v
}

// Vars are the variables of the hosts of an inventory.
type Vars struct{ byName, byAddress index }

// An index has the first host of each name.
type index map[string]*Host

func (x index) add(name any, h *Host) {
	text, _ := name.(string)
	if normal, err := hostname.Normalize(text); err == nil && x[normal] == nil {
		x[normal] = h
	}
}

// Of returns the variables of the host of an agent with these names and addresses; nil where
// the inventory does not have it.
func (v *Vars) Of(names, addresses []string) map[string]any {
	for _, name := range names {
		if h := v.byName[name]; h != nil {
			return h.Vars
		}
	}
	for _, list := range [][]string{names, addresses} {
		for _, name := range list {
			if h := v.byAddress[name]; h != nil {
				return h.Vars
			}
		}
	}
	return nil
}
