package target

import (
	"regexp"
	"strings"
)

var zeros = regexp.MustCompile(`(^|[^0-9])0+([0-9])`)

// OtherSpellings returns the hosts that are not known, where a known name differs from each only
// by leading zeros of its numbers, and those known names.
func OtherSpellings(hosts, known []string) (typed, meant []string) {
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
