package bench

import (
	"cmp"
	"slices"
	"time"
)

// The parts whose use of the machine is measured, as indexes of Sample.Use.
const (
	operatorPart = iota
	agentsPart
	brokerPart
	parts
)

// A Sample is what one turn of one side has given; where a turn is several short
// commands, their median times and mean use.
type Sample struct {
	Last  time.Duration `json:"last"`           // until the last result; of a cold process until its end
	First time.Duration `json:"first,omitzero"` // until the first; 0 of a cold process
	Use   [parts]Use    `json:"use"`            // operator, agents, broker
	Lost  int           `json:"lost"`           // results
	Kept  int64         `json:"kept,omitzero"`  // bytes of output, where that is looked at
}

// Use is what a part has used in a turn.
type Use struct {
	CPU  time.Duration `json:"cpu"`
	Peak int64         `json:"peak"` // bytes
}

// A Series is one sample for each round.
type Series []Sample

// A Spread is the median of a series with its least and most.
type Spread[T cmp.Ordered] struct{ Median, Min, Max T }

func spread[T cmp.Ordered](values []T) (r Spread[T]) {
	if len(values) == 0 {
		return r
	}
	values = slices.Sorted(slices.Values(values))
	return Spread[T]{values[len(values)/2], values[0], values[len(values)-1]}
}

// of is the spread of one measure of a series.
func of[T cmp.Ordered](s Series, measure func(Sample) T) Spread[T] {
	values := make([]T, len(s))
	for i := range s {
		values[i] = measure(s[i])
	}
	return spread(values)
}

func last(s Sample) time.Duration  { return s.Last }
func first(s Sample) time.Duration { return s.First }

func cpu(part int) func(Sample) time.Duration {
	return func(s Sample) time.Duration { return s.Use[part].CPU }
}

func peak(part int) func(Sample) int64 {
	return func(s Sample) int64 { return s.Use[part].Peak }
}

func (s Series) lost() (n int) {
	for _, one := range s {
		n += one.Lost
	}
	return n
}
