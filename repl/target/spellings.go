package target

import (
	"context"
	"regexp"
	"strings"

	"warren/internal/operator/hostexpr"
)

var zeros = regexp.MustCompile(`(^|[^0-9])0+([0-9])`)

// noteOtherSpellings prints which names the operator may have meant: web[01-03] where web[1-3]
// are not known.
func (env *Env) noteOtherSpellings(ctx context.Context, hosts []string) {
	store := env.Store()
	if store == nil {
		return
	}
	known, err := store.Hosts(ctx)
	if err != nil {
		return // the hosts may well be new
	}
	typed, meant := otherSpellings(hosts, known)
	if len(typed) > 0 {
		env.Out.Note("hint: no agent is known as %s; did you mean --hosts %q?", hostexpr.Fold(typed), hostexpr.Fold(meant))
	}
}

// otherSpellings returns the hosts that are not known, where a known name differs from each only
// by leading zeros of its numbers, and those known names.
func otherSpellings(hosts, known []string) (typed, meant []string) {
	isKnown := make(map[string]bool, len(known))
	spelled := make(map[string]string, len(known))
	for _, name := range known {
		isKnown[name] = true
		spelled[withoutZeros(name)] = name
	}
	for _, host := range hosts {
		if name, ok := spelled[withoutZeros(host)]; ok && !isKnown[host] {
			typed, meant = append(typed, host), append(meant, name)
		}
	}
	return typed, meant
}

// withoutZeros removes the leading zeros of the numbers in a name.
func withoutZeros(name string) string {
	if !strings.Contains(name, "0") {
		return name
	}
	return zeros.ReplaceAllString(name, "$1$2")
}
