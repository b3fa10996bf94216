package repl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"warren/internal/operator/charset"
	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/suggest"
	"warren/internal/wire"
)

// A reading is how results are shown: flags of every command that shows some.
type reading struct {
	Diff     bool   `help:"Show what differs from the most frequent result, instead of each result."`
	Stdout   bool   `help:"Standard output only."`
	Stderr   bool   `help:"Standard error only."`
	Tail     count  `default:"0" placeholder:"N" help:"The last N lines of each output only; 0 is all."`
	Encoding string `placeholder:"NAME" help:"What the output is encoded in, as in gbk or cp437, instead of UTF-8."`
	JSON     bool   `name:"json" help:"Print one JSON document."`
	JSONL    bool   `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

// A following is what more can be said while a task is waited for.
type following struct {
	Stream bool `help:"Print what the hosts print, line by line, as it comes, instead of the results at the end."`
}

// A selection is which results are shown, and where they go: further flags of
// the commands that are for reading.
type selection struct {
	Host    []string `placeholder:"EXPR" sep:"none" help:"Only these hosts. May be repeated."`
	Outcome []string `placeholder:"NAME,…" help:"Only hosts that ended so, or stand so: ok, failed, or any outcome or state."`
	Raw     bool     `help:"The bytes of the output and nothing else, to a file or a pipe."`
	Save    string   `placeholder:"DIR" help:"Write the outputs into a directory, one file for each host and stream."`
	Force   bool     `help:"With --save: overwrite files that are there."`
}

// A view is a reading and a selection, checked.
type view struct {
	diff, raw, json, jsonl bool
	stream                 bool

	streams  []string          // to show, of wire.Stdout and wire.Stderr
	tail     int               // lines; 0 is all
	encoding *charset.Encoding // as the operator says
	decoded  bool              // else as the agents say

	hosts    *hostexpr.Set // nil is all
	outcomes []string      // nil is all
	save     string
	force    bool

	tails map[tailOf]string // the sums of the last lines, once they are known
}

// everything is the view of who asks for nothing in particular.
func everything() *view { return &view{streams: []string{wire.Stdout, wire.Stderr}} }

// check makes a view of the flags. It is called before anything is done.
func (r *reading) check(ctx context.Context, s *session, sel *selection) (*view, error) {
	terminal := s.stdio.OutTerminal
	v := &view{
		diff: r.Diff, json: r.JSON, jsonl: r.JSONL, tail: int(r.Tail), streams: []string{wire.Stdout, wire.Stderr},
		raw: sel.Raw, save: sel.Save, force: sel.Force, decoded: terminal,
	}
	if err := v.contradiction(r, terminal); err != nil {
		return nil, err
	}
	switch {
	case r.Stdout && !r.Stderr, v.raw && !r.Stderr:
		v.streams = []string{wire.Stdout}
	case r.Stderr && !r.Stdout:
		v.streams = []string{wire.Stderr}
	}
	if r.Encoding != "" {
		e, err := charset.Find(r.Encoding)
		if err != nil {
			hint := suggest.For(strings.ToLower(r.Encoding), charset.Names())
			if hint == "" {
				hint = "among others there are utf-8, gbk, gb18030, big5, shift_jis, cp437, cp936, windows-1252"
			}
			return nil, &fault{status: exitUsage, text: fmt.Sprintf("--encoding: %q is no encoding", r.Encoding), hint: hint, err: err}
		}
		v.encoding = &e
	}
	return v, v.choice(ctx, s, sel)
}

// follow takes in the flags of a command that waits.
func (v *view) follow(f *following) error {
	v.stream = f.Stream
	for flag, given := range map[string]bool{"--json": v.json, "--raw": v.raw, "--diff": v.diff, "--save": v.save != "", "--tail": v.tail > 0} {
		if v.stream && given {
			return usage("", "--stream and %s contradict each other", flag)
		}
	}
	return nil
}

// contradiction finds flags that cannot be meant together.
func (v *view) contradiction(r *reading, terminal bool) error {
	given := map[string]bool{"--diff": v.diff, "--raw": v.raw, "--json": v.json, "--jsonl": v.jsonl, "--save": v.save != ""}
	var ways []string
	for _, way := range []string{"--json", "--jsonl", "--raw", "--diff", "--save"} {
		if given[way] {
			ways = append(ways, way)
		}
	}
	switch {
	case len(ways) > 1:
		return usage("", "%s and %s contradict each other", ways[0], ways[1])
	case v.force && v.save == "":
		return usage("--save DIR is what it is for", "--force without --save overwrites nothing")
	case r.Encoding != "" && (v.raw || v.save != ""):
		return usage("iconv decodes what was written", "--encoding and %s contradict each other: bytes are written as they came", ways[0])
	case v.raw && terminal:
		return usage("send it to a file or a pipe: … --raw >file", "--raw is not for a terminal, which would obey what a host has printed")
	}
	return nil
}

func (v *view) choice(ctx context.Context, s *session, sel *selection) error {
	if len(sel.Host) > 0 {
		exprs, err := (&targets{}).expressions("--host", sel.Host, nil)
		if err != nil {
			return err
		}
		if v.hosts, err = s.evaluate(ctx, exprs); err != nil {
			return err
		}
		if v.hosts.Len() == 0 {
			return usage("hosts expand shows what an expression stands for", "--host: the expressions stand for no host")
		}
	}
	for _, name := range sel.Outcome {
		name = strings.ToLower(strings.TrimSpace(name))
		if known := model.StatusNames(); !slices.Contains(known, name) {
			hint := suggest.For(name, known)
			if hint == "" {
				hint = "there are " + strings.Join(known, ", ")
			}
			return usage(hint, "--outcome: %q is no outcome", name)
		}
		v.outcomes = append(v.outcomes, name)
	}
	return nil
}

// shows reports whether a job is not left out.
func (v *view) shows(j *model.Job) bool {
	return (v.hosts == nil || v.hosts.Has(j.Host)) &&
		(v.outcomes == nil || slices.ContainsFunc(v.outcomes, func(name string) bool { return j.Is(name) }))
}

// all reports whether no job is left out.
func (v *view) all() bool { return v.hosts == nil && v.outcomes == nil }

// choose returns the jobs that are to be shown. A host that the task has not is
// an error; that nobody ended as asked is none.
func (v *view) choose(task *model.Task, jobs []model.Job) ([]model.Job, error) {
	if v.all() {
		return jobs, nil
	}
	var chosen []model.Job
	found := 0
	for i := range jobs {
		j := &jobs[i]
		if v.hosts != nil && v.hosts.Has(j.Host) {
			found++
		}
		if v.shows(j) {
			chosen = append(chosen, *j)
		}
	}
	if v.hosts != nil && found < v.hosts.Len() {
		return nil, v.strangers(task, jobs)
	}
	return chosen, nil
}

// strangers says which hosts are not the task's.
func (v *view) strangers(task *model.Task, jobs []model.Job) error {
	known := make(map[string]bool, len(jobs))
	names := make([]string, len(jobs))
	for i := range jobs {
		known[jobs[i].Host], names[i] = true, jobs[i].Host
	}
	missing := slices.DeleteFunc(v.hosts.Names(), func(name string) bool { return known[name] })
	hint := ""
	if len(missing) == 1 && len(names) <= 1000 {
		hint = suggest.For(missing[0], names)
	}
	if hint == "" {
		hint = "its hosts are " + foldShort(names, 60)
	}
	return usage(hint, "not in task %s: %s", shortID(task.ID), foldShort(missing, 200))
}
