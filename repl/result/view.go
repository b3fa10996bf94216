package result

import (
	"fmt"
	"slices"

	"warren/internal/operator/charset"
	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A View is how the results of a task are shown: which of them, and in which form.
type View struct {
	Diff, Raw, JSON, JSONL bool
	Stream                 bool

	Streams  []string          // to show, of wire.Stdout and wire.Stderr
	Tail     int               // lines; 0 is all
	Encoding *charset.Encoding // as the operator says
	Decoded  bool              // else as the agents say

	Hosts    *hostexpr.Set // nil is all
	Outcomes []string      // nil is all
	Save     string
	Force    bool
	Collect  Collector // of a collect; nil: the task is another one

	Tails map[TailKey]string // the sums of the last lines, once they are known
}

// DefaultView is the view of who asks for nothing in particular.
func DefaultView() *View { return &View{Streams: []string{wire.Stdout, wire.Stderr}} }

// Streamed reports whether the results are printed as they come.
func (v *View) Streamed() bool { return v.Stream || v.JSONL }

// HandsOut reports whether a view gives the output away as data, or a part of it
// that was asked for. A report for people names each gap in its place instead.
func (v *View) HandsOut() bool {
	return v.Raw || v.Save != "" || v.JSON || v.JSONL || v.Stream || v.Diff || v.Tail > 0
}

// Shows reports whether a job is not left out.
func (v *View) Shows(j *model.Job) bool {
	return (v.Hosts == nil || v.Hosts.Has(j.Host)) &&
		(v.Outcomes == nil || slices.ContainsFunc(v.Outcomes, func(name string) bool { return j.Is(name) }))
}

// All reports whether no job is left out.
func (v *View) All() bool { return v.Hosts == nil && v.Outcomes == nil }

// Choose returns the jobs to show. Missing lists the hosts of the view that the task does
// not have. An empty result is no mistake if the view selects by outcome.
func (v *View) Choose(jobs []model.Job) (chosen []model.Job, missing []string) {
	if v.All() {
		return jobs, nil
	}
	known := make(map[string]bool, len(jobs))
	for i := range jobs {
		known[jobs[i].Host] = true
		if v.Shows(&jobs[i]) {
			chosen = append(chosen, jobs[i])
		}
	}
	if v.Hosts != nil {
		missing = slices.DeleteFunc(v.Hosts.Names(), func(name string) bool { return known[name] })
	}
	return chosen, missing
}

// EncodingOf is what a job's output is encoded in: as the operator says, or else
// its agent, or UTF-8. In a file or a pipe only the operator's word counts, except in
// JSON, which is text.
func (v *View) EncodingOf(j *model.Job) charset.Encoding {
	if v.Encoding != nil {
		return *v.Encoding
	}
	if v.Decoded && j.CodePage != 0 {
		if e, err := charset.Find(fmt.Sprintf("cp%d", j.CodePage)); err == nil {
			return e
		}
	}
	return charset.Encoding{}
}
