package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// A Block is the jobs of a task that have the same result: the same outcome,
// exit code or signal, as many processes that live on, and the same output.
type Block struct {
	Key
	Jobs  []*model.Job // in host order; the first represents all
	Spans DurationStats
	Label string // the hosts, folded
}

// A Key is what the jobs of a block have in common.
type Key struct {
	state          model.State
	outcome        wire.Outcome
	exit           int
	signal         string
	Left           int          // processes that live on
	stdout, stderr model.Output // of the streams that are shown
	encoding       string       // of what they have printed
}

func (v *View) KeyOf(j *model.Job) Key {
	l := Key{state: j.State, outcome: j.Outcome, exit: j.ExitCode, signal: j.Signal, Left: j.Left}
	for _, stream := range v.Streams {
		shown := Account(j, stream)
		if v.Tail > 0 { // what is before the last lines makes no difference
			shown = model.Output{Sum: v.Tails[TailKey{j, stream}]}
		}
		if shown != (model.Output{}) {
			l.encoding = v.EncodingOf(j).Name
		}
		if stream == wire.Stderr {
			l.stderr = shown
		} else {
			l.stdout = shown
		}
	}
	return l
}

// A TailKey is the last lines of a stream.
type TailKey struct {
	Job    *model.Job
	Stream string
}

// Fold makes blocks of the jobs, whose sums are known: outliers first, the
// largest block last; of equally large ones what went wrong comes first.
func (v *View) Fold(jobs []model.Job) []*Block {
	var blocks []*Block
	byLikeness := make(map[Key]*Block)
	for i := range jobs {
		l := v.KeyOf(&jobs[i])
		b := byLikeness[l]
		if b == nil {
			b = &Block{Key: l}
			byLikeness[l] = b
			blocks = append(blocks, b)
		}
		b.Jobs = append(b.Jobs, &jobs[i])
	}
	slices.SortStableFunc(blocks, func(a, b *Block) int {
		return cmp.Or(cmp.Compare(len(a.Jobs), len(b.Jobs)), cmp.Compare(Severity(a.Jobs[0]), Severity(b.Jobs[0])))
	})
	for _, b := range blocks {
		b.Spans = SpreadOf(b.Jobs)
	}
	return blocks
}

func (b *Block) Hosts() []string {
	names := make([]string, len(b.Jobs))
	for i, j := range b.Jobs {
		names[i] = j.Host
	}
	return names
}

// Severity orders: what failed, what is not known yet, what is well.
func Severity(j *model.Job) int {
	switch {
	case j.OK():
		return 2
	case j.State != model.Ended:
		return 1
	}
	return 0
}

// A DurationStats is how long commands ran.
type DurationStats struct{ Min, P50, P95, Max time.Duration }

func SpreadOf(jobs []*model.Job) DurationStats {
	var took []time.Duration
	for _, j := range jobs {
		if Ran(j) {
			took = append(took, j.Duration())
		}
	}
	return spreadOfTimes(took)
}

// spreadOfTimes sorts what it is given.
func spreadOfTimes(took []time.Duration) DurationStats {
	if len(took) == 0 {
		return DurationStats{Min: -1}
	}
	slices.Sort(took)
	rank := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] } // the nearest rank
	return DurationStats{took[0], rank(50), rank(95), took[len(took)-1]}
}

// Ran reports whether it is known how long the command ran.
func Ran(j *model.Job) bool {
	return j.State == model.Ended && !j.Started.IsZero() && !j.Finished.IsZero()
}

// String is empty where nothing ran.
func (s DurationStats) String() string {
	if s.Min < 0 {
		return ""
	}
	return fmt.Sprintf("min %s, p50 %s, max %s", term.Duration(s.Min), term.Duration(s.P50), term.Duration(s.Max))
}

// FoldShort folds names to about width columns and says how many more there
// are; 0 is all.
func FoldShort(names []string, width int) string {
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
	return term.Plural(len(names), "host")
}
