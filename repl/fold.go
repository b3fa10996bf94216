package repl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A block is the jobs of a task that have the same result: the same outcome,
// exit code or signal, as many processes that live on, and the same output.
type block struct {
	likeness
	jobs  []*model.Job // in host order; the first stands for all
	spans spread
	label string // the hosts, folded
}

// A likeness is what the jobs of a block have in common.
type likeness struct {
	state          model.State
	outcome        wire.Outcome
	exit           int
	signal         string
	left           int          // processes that live on
	stdout, stderr model.Output // of the streams that are shown
	encoding       string       // of what they have printed
}

func (v *view) likeness(j *model.Job) likeness {
	l := likeness{state: j.State, outcome: j.Outcome, exit: j.ExitCode, signal: j.Signal, left: j.Left}
	for _, stream := range v.streams {
		shown := account(j, stream)
		if v.tail > 0 { // what is before the last lines makes no difference
			shown = model.Output{Sum: v.tails[tailOf{j, stream}]}
		}
		if shown != (model.Output{}) {
			l.encoding = v.encodingOf(j).Name
		}
		if stream == wire.Stderr {
			l.stderr = shown
		} else {
			l.stdout = shown
		}
	}
	return l
}

// A tailOf is the last lines of a stream.
type tailOf struct {
	job    *model.Job
	stream string
}

// fold makes blocks of the jobs, whose sums are known: outliers first, the
// largest block last; of equally large ones what went wrong comes first.
func (v *view) fold(jobs []model.Job) []*block {
	var blocks []*block
	byLikeness := make(map[likeness]*block)
	for i := range jobs {
		l := v.likeness(&jobs[i])
		b := byLikeness[l]
		if b == nil {
			b = &block{likeness: l}
			byLikeness[l] = b
			blocks = append(blocks, b)
		}
		b.jobs = append(b.jobs, &jobs[i])
	}
	slices.SortStableFunc(blocks, func(a, b *block) int {
		return cmp.Or(cmp.Compare(len(a.jobs), len(b.jobs)), cmp.Compare(gravity(a.jobs[0]), gravity(b.jobs[0])))
	})
	for _, b := range blocks {
		b.spans = spreadOf(b.jobs)
	}
	return blocks
}

func (b *block) hosts() []string {
	names := make([]string, len(b.jobs))
	for i, j := range b.jobs {
		names[i] = j.Host
	}
	return names
}

// gravity orders: what failed, what is not known yet, what is well.
func gravity(j *model.Job) int {
	switch {
	case j.OK():
		return 2
	case j.State != model.Ended:
		return 1
	}
	return 0
}

// A spread is how long commands ran.
type spread struct{ min, p50, p95, max time.Duration }

func spreadOf(jobs []*model.Job) spread {
	var took []time.Duration
	for _, j := range jobs {
		if ran(j) {
			took = append(took, j.Duration())
		}
	}
	return spreadOfTimes(took)
}

// spreadOfTimes sorts what it is given.
func spreadOfTimes(took []time.Duration) spread {
	if len(took) == 0 {
		return spread{min: -1}
	}
	slices.Sort(took)
	rank := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] } // the nearest rank
	return spread{took[0], rank(50), rank(95), took[len(took)-1]}
}

// ran reports whether it is known how long the command ran.
func ran(j *model.Job) bool {
	return j.State == model.Ended && !j.Started.IsZero() && !j.Finished.IsZero()
}

// String is empty where nothing ran.
func (s spread) String() string {
	if s.min < 0 {
		return ""
	}
	return fmt.Sprintf("min %s, p50 %s, max %s", humanDuration(s.min), humanDuration(s.p50), humanDuration(s.max))
}

// foldShort folds names to about width columns and says how many more there
// are; 0 is all.
func foldShort(names []string, width int) string {
	expr := hostexpr.Fold(names)
	if width < 1 || len(expr) <= width {
		return expr
	}
	// Cut at a comma, which may be within brackets, and count what is left.
	for end := strings.LastIndexByte(expr[:width], ','); end > 0; end = strings.LastIndexByte(expr[:end], ',') {
		head := expr[:end]
		if strings.Count(head, "[") > strings.Count(head, "]") {
			head += "]"
		}
		set, err := hostexpr.Parse(head, len(names))
		if err != nil || set.Len() >= len(names) {
			continue // cut within a second bracket, say
		}
		return fmt.Sprintf("%s and %d more", head, len(names)-set.Len())
	}
	return plural(len(names), "host")
}
