package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/inventory"
	"warren/internal/textfile"
	"warren/internal/wire"
	"warren/repl/cli"
)

// An Expression is text and where it was written.
type Expression struct{ Text, from string }

// Expressions are those of a flag or an argument, and of the files.
func (c *Flags) Expressions(from string, texts []string, in io.Reader) (exprs []Expression, err error) {
	for _, text := range texts {
		exprs = append(exprs, Expression{text, from})
	}
	for _, name := range c.HostsFile {
		more, err := ReadExpressions("--hosts-file", name, in)
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, more...)
	}
	return exprs, nil
}

// ofHosts is for a file of hosts.
var ofHosts = cli.InputFile{
	Most: 64 << 20, TooLarge: "too large", Smaller: "name the hosts in several tasks",
	Missing: "name a file with a host or an expression on each line",
}

// ReadExpressions reads an expression from each line of a file, or all hosts of an Ansible
// inventory in INI form; "-" is in. What follows a # is a comment.
func ReadExpressions(flag, name string, in io.Reader) (exprs []Expression, err error) {
	data, err := ofHosts.Read(flag, name, in)
	if err != nil {
		return nil, err
	}
	if data, err = textfile.Decode(data); err != nil {
		return nil, cli.WithStatus(cli.ExitUsage, fmt.Errorf("%s %s: %w", flag, name, err))
	}
	if inventory.IsINI(string(data)) {
		return inventoryHosts(flag, name, string(data))
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text != "" {
			exprs = append(exprs, Expression{text, fmt.Sprintf("%s %s, line %d", flag, name, n)})
		}
	}
	if len(exprs) == 0 {
		return nil, cli.Usage("write one name or expression a line", "%s %s: the file names no host", flag, name)
	}
	return exprs, checkExpressions(exprs)
}

// inventoryHosts reads the hosts of an Ansible inventory in INI form.
func inventoryHosts(flag, name, text string) ([]Expression, error) {
	hosts, err := inventory.Hosts(text)
	if err != nil {
		return nil, cli.WithStatus(cli.ExitUsage, fmt.Errorf("%s %s: Ansible inventory, %w", flag, name, err))
	}
	if len(hosts) == 0 {
		return nil, cli.Usage("", "%s %s: the inventory names no host", flag, name)
	}
	return []Expression{{strings.Join(hosts, ","), flag + " " + name}}, nil
}

// checkExpressions refuses what checkText refuses in words.
func checkExpressions(exprs []Expression) error {
	for _, e := range exprs {
		if err := cli.CheckText([]string{e.Text}); err != nil {
			return cli.WithStatus(cli.ExitUsage, fmt.Errorf("%s: %w", e.from, err))
		}
	}
	return nil
}

// Evaluate returns the union of the hosts of all expressions, which it evaluates one by
// one. The union may be empty.
func (env *Env) Evaluate(ctx context.Context, exprs []Expression) (*hostexpr.Set, error) {
	groups := env.NewGroupLookup()
	all := new(hostexpr.Set)
	for _, e := range exprs {
		set, err := groups.Evaluate(ctx, e.from, e.Text)
		if errors.Is(err, hostexpr.ErrNothing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if all.Unite(set); all.Len() > wire.MaxLeaves {
			return nil, cli.Usage("name the hosts in several tasks", "%s: more than %d hosts", e.from, wire.MaxLeaves)
		}
	}
	return all, nil
}

func prefixed(from string, err error) error {
	if from == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", from, err)
}
