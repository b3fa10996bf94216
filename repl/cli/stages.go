package cli

import (
	"math"
	"strconv"
	"strings"

	"warren/repl/term"
)

// A HostCount is a number of hosts, or a part of them in percent.
type HostCount struct {
	n       int
	percent float64 // where n is -1
}

func parseHostCount(text string) (HostCount, error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(number, 64)
		switch {
		case err != nil || math.IsNaN(f) || f < 0:
			return HostCount{}, Usage("write it as in 10% or 25", "%q is not a percentage", text)
		case f > 100:
			return HostCount{}, Usage("", "%s is more than all hosts", text)
		}
		return HostCount{-1, f}, nil
	}
	var n Count
	if err := n.UnmarshalText([]byte(text)); err != nil {
		return HostCount{}, Usage("write it as in 10% or 25", "%q is neither a number of hosts nor a percentage", text)
	}
	return HostCount{n: int(n)}, nil
}

// Stages are the stages of a rollout: for each, how many hosts have received the request
// by its end.
type Stages struct {
	Text  string
	Parts []HostCount
}

func (s *Stages) UnmarshalText(text []byte) error {
	s.Text, s.Parts = string(text), nil
	for word := range strings.SplitSeq(s.Text, ",") {
		p, err := parseHostCount(strings.TrimSpace(word))
		switch {
		case err != nil:
			return err
		case p.n == 0 || p.n < 0 && p.percent == 0:
			return Usage("", "a stage has no hosts: %q", s.Text)
		}
		s.Parts = append(s.Parts, p)
	}
	return nil
}

// Of are the stages of so many hosts. A percentage is rounded up, so that a stage
// has one host at least; a stage that adds none to the one before it is none.
func (s *Stages) Of(hosts int) ([]int, error) {
	var out []int
	last := HostCount{}
	for i, p := range s.Parts {
		n := min(p.n, hosts)
		if p.n < 0 {
			n = int(math.Ceil(float64(hosts) * p.percent / 100))
		}
		sameKind := i > 0 && (p.n < 0) == (last.n < 0)
		falls := len(out) > 0 && n < out[len(out)-1]
		if falls || sameKind && (p.n >= 0 && p.n <= last.n || p.n < 0 && p.percent <= last.percent) {
			return nil, Usage("each number is the total at the end of a stage, so it must be larger than the one before: 1,10%,100%",
				"--rollout %s: the stages do not ascend with %s", s.Text, term.Plural(hosts, "host"))
		}
		if len(out) == 0 || n > out[len(out)-1] {
			out = append(out, n)
		}
		last = p
	}
	return out, nil
}

// A MaxFailures is how many hosts may fail.
type MaxFailures struct {
	Set  bool
	part HostCount
}

func (b *MaxFailures) UnmarshalText(text []byte) (err error) {
	b.Set = true
	b.part, err = parseHostCount(string(text))
	return err
}

// Of is the number with so many hosts; a percentage is rounded down.
func (b *MaxFailures) Of(hosts int) int {
	if b.part.n >= 0 {
		return b.part.n
	}
	return int(float64(hosts) * b.part.percent / 100)
}
