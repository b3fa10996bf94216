package bench

import "fmt"

// A fleet is the hosts of a measurement, alike on both sides.
type fleet struct {
	prefix  string // of names and queues; of this run alone, since the broker may be somebody's
	hosts   int
	workers int // commands at the same time, on all of them together
	share   int // of the floor: agents to a connection

	inbox     bool // Warren's agents have one
	processes bool // each host is a process, with workers of its own
	verbose   bool // Warren's agents tell each attempt that failed
}

// unique is the prefix of another fleet: the queues of the last one may not be gone
// when it begins.
func (b *bench) unique() string {
	b.fleets++
	return fmt.Sprintf("%s-%d", b.prefix, b.fleets)
}

// digits is the length of a host's number.
const digits = 5

// names are the first n hosts' names.
func (f fleet) names(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%0*d", f.prefix, digits, i+1)
	}
	return names
}

// expr is the host expression of the first n.
func (f fleet) expr(n int) string {
	return fmt.Sprintf("%s-[%0*d-%0*d]", f.prefix, digits, 1, digits, n)
}
