// Package lookup finds a group of hosts in the sources of the operator: those of the groups file,
// and the Ansible inventory, whose source is called ansible.
package lookup

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"

	"warren/internal/operator/groups"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/inventory"
)

// Ansible is the name of the source of the Ansible inventory. A groups file may define a source
// of this name, which then has precedence.
const Ansible = "ansible"

// Config says where groups come from.
type Config struct {
	Path      string        // groups file, or directory of such files; "" is none
	Inventory []string      // Ansible inventories; none are those of Ansible's own configuration
	Reserved  []string      // names that a source of the file may not have
	Cache     *upcall.Cache // of the output of upcalls
}

// Groups reads the groups file and the inventory when it first needs them, and once.
type Groups struct {
	config    Config
	file      *groups.Groups
	fileErr   error
	inventory *inventory.Inventory
}

func New(config Config) *Groups { return &Groups{config: config} }

// load reads the groups file. A file that does not exist is groups.ErrNoFile.
func (g *Groups) load() (*groups.Groups, error) {
	if g.file == nil && g.fileErr == nil {
		g.file, g.fileErr = groups.Load(g.config.Path, groups.Options{Reserved: g.config.Reserved, Cache: g.config.Cache})
	}
	return g.file, g.fileErr
}

// isAnsible reports whether a source is the inventory.
func (g *Groups) isAnsible(source string) (bool, error) {
	if source != Ansible {
		return false, nil
	}
	file, err := g.load()
	if errors.Is(err, groups.ErrNoFile) {
		return true, nil
	}
	return err == nil && !slices.Contains(file.Sources(), Ansible), err
}

// Inventory reads the Ansible inventory.
func (g *Groups) Inventory(ctx context.Context) (*inventory.Inventory, error) {
	if g.inventory == nil {
		inv, err := inventory.Load(ctx, g.config.Inventory)
		if err != nil {
			return nil, err
		}
		g.inventory = inv
	}
	return g.inventory, nil
}

// Group returns what a group stands for, and the source of the groups that it names without
// a source, as hostexpr.Groups does. Its error may be one of the packages groups and inventory.
func (g *Groups) Group(ctx context.Context, source, name string) (exprs []string, home string, err error) {
	ansible, err := g.isAnsible(source)
	if err != nil {
		return nil, "", err
	}
	if ansible {
		inv, err := g.Inventory(ctx)
		if err != nil {
			return nil, "", err
		}
		names, err := inv.Group(name)
		if err != nil || len(names) == 0 {
			return nil, source, err
		}
		return []string{strings.Join(names, ",")}, source, nil
	}
	file, err := g.load()
	if err != nil {
		return nil, "", err
	}
	return file.Group(ctx, source, name)
}

// Runs reports whether a program must run to find the groups of a source.
func (g *Groups) Runs(source string) bool {
	if ansible, err := g.isAnsible(source); ansible || err != nil {
		return ansible
	}
	file, err := g.load()
	return err == nil && file.IsCommand(source)
}

// Sources returns the names of the sources of the groups file, and Ansible if an inventory is
// named. If the groups file does not exist, it has no sources.
func (g *Groups) Sources() ([]string, error) {
	var names []string
	file, err := g.load()
	switch {
	case err == nil:
		names = file.Sources()
	case !errors.Is(err, groups.ErrNoFile):
		return nil, err
	}
	if len(g.config.Inventory) > 0 && !slices.Contains(names, Ansible) {
		names = append(names, Ansible)
	}
	return names, nil
}

// HasAnsible reports whether ansible-inventory is installed.
func HasAnsible() bool {
	_, err := exec.LookPath(inventory.Program)
	return err == nil
}

// Names returns the names of the groups of a source. Known is false for a source whose commands
// list no groups.
func (g *Groups) Names(ctx context.Context, source string) (names []string, known bool, err error) {
	ansible, err := g.isAnsible(source)
	if err != nil {
		return nil, false, err
	}
	if ansible {
		inv, err := g.Inventory(ctx)
		if err != nil {
			return nil, false, err
		}
		return inv.Groups(), true, nil
	}
	file, err := g.load()
	if err != nil {
		return nil, false, err
	}
	return file.Names(ctx, source)
}

// GroupsOf returns the groups of a host as the reverse command of a source prints them. Known is
// false if the source has none.
func (g *Groups) GroupsOf(ctx context.Context, source, host string) (names []string, known bool, err error) {
	if ansible, err := g.isAnsible(source); ansible || err != nil {
		return nil, false, err
	}
	file, err := g.load()
	if err != nil {
		return nil, false, err
	}
	return file.GroupsOf(ctx, source, host)
}

// Written returns how a group of a source is written in an expression.
func (g *Groups) Written(source, name string) string {
	if file, err := g.load(); err == nil && source != Ansible {
		return file.Written(source, name)
	}
	return "@" + source + ":" + name
}
