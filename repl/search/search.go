// Package search has the command grep: it searches the stored output of tasks for lines that
// match a regular expression. Equal lines of several hosts share a line of the result.
package search

import (
	"bytes"
	"context"
	"iter"
	"regexp"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/repl/result"
)

const (
	// longestLine is how much of a line is searched, printed and kept in memory as one.
	longestLine = 1 << 20

	// heldBytes is how much of the matching lines of a task is kept to find equal lines of
	// other hosts. Above that the lines are printed, and equal ones that follow are printed
	// again.
	heldBytes = 16 << 20

	entryBytes = 128 // estimate of what a line costs besides its text
)

// A store is what a search reads of the result store.
type store interface {
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error]
}

// A match is a line of a stream, and the hosts that have printed it.
type match struct {
	stream string
	text   []byte   // valid until the next match
	hosts  []string // in the task's order
}

// A taskSearch searches the output of one task.
type taskSearch struct {
	store   store
	view    *result.View
	re      *regexp.Regexp
	jobs    []model.Job
	emit    func(match) error
	held    int
	lines   map[lineKey]*entry
	order   []*entry // as first found
	unions  map[string][]string
	groups  []*group
	matched []bool // by job: some line of it has matched
}

// A lineKey is what equal lines have in common.
type lineKey struct{ stream, text string }

// An entry is a line that has matched.
type entry struct {
	lineKey
	groups []int // indices of groups, ascending
}

// A group is the jobs that have printed the same bytes to a stream, in the same encoding.
type group struct {
	stream string
	jobs   []int // indices
}

// A groupKey identifies the bytes of a stream.
type groupKey struct {
	stream   string
	account  model.Output
	encoding string
}

func newTaskSearch(s store, v *result.View, re *regexp.Regexp, jobs []model.Job, emit func(match) error) *taskSearch {
	return &taskSearch{
		store: s, view: v, re: re, jobs: jobs, emit: emit,
		lines: map[lineKey]*entry{}, unions: map[string][]string{}, matched: make([]bool, len(jobs)),
	}
}

// run searches the output. It reads equal streams once.
func (s *taskSearch) run(ctx context.Context) error {
	s.groups = s.group()
	for i, g := range s.groups {
		j := &s.jobs[g.jobs[0]]
		lines := newLineReader(s.view.EncodingOf(j).NewDecoder(), func(line []byte) error {
			if !s.re.Match(line) {
				return nil
			}
			return s.found(i, line)
		})
		if err := lines.read(s.store.Output(ctx, j.ID, g.stream, 0)); err != nil {
			return err
		}
	}
	return s.flush()
}

// group finds the streams that have the same bytes, in the order of the task's jobs.
func (s *taskSearch) group() (groups []*group) {
	known := map[groupKey]*group{}
	for i := range s.jobs {
		j := &s.jobs[i]
		for _, stream := range s.view.Streams {
			key := groupKey{stream, result.Account(j, stream), s.view.EncodingOf(j).Name}
			if key.account.Kept == 0 {
				continue
			}
			g := known[key]
			if g == nil {
				g = &group{stream: stream}
				groups = append(groups, g)
				if key.account.Sum != "" { // a stream that is not whole has none
					known[key] = g
				}
			}
			g.jobs = append(g.jobs, i)
		}
	}
	return groups
}

// found keeps a line that a group has printed.
func (s *taskSearch) found(group int, line []byte) error {
	for _, i := range s.groups[group].jobs {
		s.matched[i] = true
	}
	key := lineKey{s.groups[group].stream, string(line)}
	e := s.lines[key]
	if e == nil {
		e = &entry{lineKey: key}
		s.lines[key] = e
		s.order = append(s.order, e)
		s.held += len(line) + entryBytes
	}
	if n := len(e.groups); n == 0 || e.groups[n-1] != group {
		e.groups = append(e.groups, group)
		s.held += 8
	}
	if s.held > heldBytes {
		return s.flush()
	}
	return nil
}

// flush emits the lines that are kept.
func (s *taskSearch) flush() error {
	for _, e := range s.order {
		if err := s.emit(match{e.stream, []byte(e.text), s.hostsOf(e)}); err != nil {
			return err
		}
	}
	clear(s.lines)
	clear(s.unions)
	s.order, s.held = nil, 0
	return nil
}

// hostsOf returns the hosts that have printed a line. Lines of the same groups share the list.
func (s *taskSearch) hostsOf(e *entry) []string {
	var key []byte
	for _, g := range e.groups {
		key = append(key, byte(g), byte(g>>8), byte(g>>16), byte(g>>24))
	}
	if hosts, ok := s.unions[string(key)]; ok {
		return hosts
	}
	in := make([]bool, len(s.jobs))
	for _, g := range e.groups {
		for _, i := range s.groups[g].jobs {
			in[i] = true
		}
	}
	var hosts []string
	for i, ok := range in {
		if ok {
			hosts = append(hosts, s.jobs[i].Host)
		}
	}
	s.unions[string(key)] = hosts
	return hosts
}

// A lineReader splits a stream into lines, decoded and without their ends.
type lineReader struct {
	decoder *charset.Decoder
	each    func(line []byte) error
	text    []byte // the beginning of a line
}

func newLineReader(d *charset.Decoder, each func(line []byte) error) *lineReader {
	return &lineReader{decoder: d, each: each}
}

// read reads a stream. A gap ends a line.
func (r *lineReader) read(segments iter.Seq2[model.Segment, error]) error {
	at := int64(0)
	for segment, err := range segments {
		if err != nil {
			return err
		}
		if segment.Offset > at {
			if err := r.end(); err != nil {
				return err
			}
		}
		at = segment.Offset + int64(len(segment.Data))
		r.text = r.decoder.Decode(r.text, segment.Data, false)
		if err := r.lines(); err != nil {
			return err
		}
	}
	return r.end()
}

// lines passes on the whole lines of the text, and pieces of a line that is too long.
func (r *lineReader) lines() error {
	rest := r.text
	for {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		if len(line) > longestLine {
			line, after = rest[:longestLine], rest[longestLine:]
		} else if !found {
			break
		}
		if err := r.each(bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
			return err
		}
		rest = after
	}
	r.text = append(r.text[:0], rest...)
	return nil
}

// end passes on a last line without an end.
func (r *lineReader) end() error {
	r.text = r.decoder.Decode(r.text, nil, true)
	if err := r.lines(); err != nil || len(r.text) == 0 {
		return err
	}
	err := r.each(bytes.TrimSuffix(r.text, []byte{'\r'}))
	r.text = r.text[:0]
	return err
}
