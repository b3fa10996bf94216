// Package upcall gets groups of hosts from commands of the operator, as ClusterShell's
// groups.conf defines them
// (https://clustershell.readthedocs.io/en/latest/config.html#upcalls): map prints the hosts
// of a group, all prints all hosts, list the groups, and reverse the groups of a host.
package upcall

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"warren/internal/hint"
	"warren/internal/operator/program"
)

// Times of a source whose section does not set them.
const (
	DefaultCacheTime = time.Hour // as for ClusterShell
	DefaultTimeout   = 30 * time.Second
)

// A Source is a source of groups. Its commands are shell commands; "" is none.
type Source struct {
	Name                    string
	Map, All, List, Reverse string
	Dir                     string        // of the file that defines it: $CFGDIR, and the working directory
	CacheTime               time.Duration // how long an output is used again
	Timeout                 time.Duration // of each command
}

// A Cache keeps the output of commands in the memory of this process. One goroutine at a time
// may use it.
type Cache struct{ entries map[entryKey]entry }

// An entryKey is a command after substitution, so that an output is not used again
// after its command in groups.conf has changed.
type entryKey struct{ dir, command string }

type entry struct {
	output  string
	expires time.Time
}

// maxEntries bounds a cache; a full one is emptied.
const maxEntries = 4096

// Hosts returns what the map command prints for a group.
func (s *Source) Hosts(ctx context.Context, cache *Cache, group string) (string, error) {
	return s.call(ctx, cache, "map", s.Map, map[string]string{"GROUP": group})
}

// AllHosts returns what the all command prints.
func (s *Source) AllHosts(ctx context.Context, cache *Cache) (string, error) {
	return s.call(ctx, cache, "all", s.All, nil)
}

// Groups returns the names that the list command prints.
func (s *Source) Groups(ctx context.Context, cache *Cache) ([]string, error) {
	text, err := s.call(ctx, cache, "list", s.List, nil)
	return strings.Fields(text), err
}

// GroupsOf returns the names that the reverse command prints for a host.
func (s *Source) GroupsOf(ctx context.Context, cache *Cache, host string) ([]string, error) {
	text, err := s.call(ctx, cache, "reverse", s.Reverse, map[string]string{"NODE": host})
	return strings.Fields(text), err
}

// plain is what may be put into a shell command wherever the author of groups.conf has put the
// variable: within quotes of either kind, within none, or in a regular expression of sed.
var plain = regexp.MustCompile(`^[\pL\pN_.:+=][\pL\pN_.:+=-]*$`)

func (s *Source) call(ctx context.Context, cache *Cache, upcall, command string, variables map[string]string) (string, error) {
	words := map[string]string{"CFGDIR": s.Dir, "SOURCE": s.Name}
	for name, value := range variables {
		if !plain.MatchString(value) {
			return "", hint.Errorf("letters, digits and the characters _ . : + = - may be given to a command; the first may not be -",
				"the %s upcall of source %q cannot be called for %q", upcall, s.Name, value)
		}
		words[name] = value
	}
	command = substitute(command, words)
	key := entryKey{s.Dir, command}
	if found, ok := cache.entries[key]; ok && time.Now().Before(found.expires) {
		return found.output, nil
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		return "", hint.Errorf("upcalls are commands of a POSIX shell; use groups files in YAML here", "the %s upcall of source %q needs the program sh", upcall, s.Name)
	}
	output, _, err := program.Run(ctx, program.Command{Words: []string{shell, "-c", command}, Dir: s.Dir, Timeout: s.Timeout})
	if ctx.Err() != nil {
		return "", err
	}
	if err != nil {
		return "", hint.Errorf(fmt.Sprintf("in %s it runs: %s", s.Dir, shortened(command)), "the %s upcall of source %q has failed: %w", upcall, s.Name, err)
	}
	output = strings.TrimSpace(output)
	if s.CacheTime > 0 {
		cache.put(key, entry{output, time.Now().Add(s.CacheTime)})
	}
	return output, nil
}

func (c *Cache) put(key entryKey, e entry) {
	if c.entries == nil || len(c.entries) >= maxEntries {
		c.entries = map[entryKey]entry{}
	}
	c.entries[key] = e
}

// shortened is a command in one line of a message.
func shortened(command string) string {
	const most = 200
	if runes := []rune(command); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return command
}

// variable is what Python's string.Template replaces: $$, $NAME and ${NAME}.
var variable = regexp.MustCompile(`\$(\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)

// substitute replaces $NAME and ${NAME} by the value of the name, and $$ by a dollar sign. A
// variable that has no value here is left to the shell.
func substitute(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		if value, ok := values[strings.Trim(found, "${}")]; ok {
			return value
		}
		return found
	})
}

// Expand replaces $CFGDIR in a setting of groups.conf.
func Expand(text, dir string) string { return substitute(text, map[string]string{"CFGDIR": dir}) }
