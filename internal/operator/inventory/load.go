package inventory

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"warren/internal/hint"
	"warren/internal/operator/program"
)

// Timeout is how long ansible-inventory may take: dynamic inventories ask clouds.
const Timeout = 2 * time.Minute

// Program is the program that prints inventories.
const Program = "ansible-inventory"

// Load runs ansible-inventory for the inventories that are named, or for those that Ansible's own
// configuration names. Each is what ansible-inventory takes after -i: a file, a directory, or
// hosts with a comma.
func Load(ctx context.Context, named []string) (*Inventory, error) {
	path, err := program.LookPath(Program, "install ansible-core; --hosts-file reads the hosts of an inventory in INI form without it")
	if err != nil {
		return nil, err
	}
	words := []string{path, "--list"}
	for _, name := range named {
		if _, err := os.Stat(name); err != nil && !strings.Contains(name, ",") { // ansible-inventory only warns
			return nil, fmt.Errorf("Ansible inventory: %w", err)
		}
		words = append(words, "-i", name)
	}
	output, stderr, err := program.Run(ctx, program.Command{
		Words: words, Timeout: Timeout,
		Env: []string{"ANSIBLE_NOCOLOR=1", "ANSIBLE_FORCE_COLOR=0", "ANSIBLE_LOCALHOST_WARNING=False", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=True"},
	})
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, hint.Errorf(failureHint(stderr), "%s has failed: %w", Program, err)
	}
	inv, err := parseList(output)
	if err != nil {
		return nil, hint.Errorf("run "+strings.Join(words[1:], " ")+" with "+Program, "the output of %s is not understood: %w", Program, err)
	}
	if len(inv.hosts) == 0 {
		return nil, empty(named, stderr)
	}
	return inv, nil
}

// failureHint says what to do about what ansible-inventory wrote on standard error.
func failureHint(stderr string) string {
	if strings.Contains(stderr, "vault") || strings.Contains(stderr, "decrypt") {
		return "ANSIBLE_VAULT_PASSWORD_FILE names the file with the password of a vault"
	}
	return says(stderr)
}

// says quotes what ansible-inventory wrote on standard error.
func says(stderr string) string {
	text := strings.Join(strings.Fields(stderr), " ")
	if text == "" {
		return ""
	}
	if runes := []rune(text); len(runes) > maxQuoted {
		text = "… " + string(runes[len(runes)-maxQuoted:])
	}
	return Program + " says: " + text
}

// maxQuoted is how many characters of standard error a hint quotes.
const maxQuoted = 400

// empty is the error of an inventory without hosts. Ansible only warns about a file that it
// cannot read.
func empty(named []string, stderr string) error {
	text := "the Ansible inventory that Ansible's configuration names has no hosts"
	if len(named) > 0 {
		text = fmt.Sprintf("the Ansible inventory %s has no hosts", strings.Join(named, " "))
	}
	help := "name an inventory with --inventory or WARREN_INVENTORY"
	if warning := says(stderr); warning != "" && len(named) > 0 {
		help = warning
	}
	return hint.New(text, help)
}
