package repl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"warren/internal/hostexpr"
	"warren/internal/results"
	"warren/internal/visible"
	"warren/internal/wire"
)

// show prints the results of a task as they are now, writes the audit log, and
// returns the exit status that they mean.
func (s *session) show(ctx context.Context, task results.Task, asJSON bool) error {
	task, err := s.store.Find(ctx, task.ID) // as it is now
	if err != nil {
		return err
	}
	jobs, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return err
	}
	// Of the jobs, so that one document does not contradict itself.
	task.Summary = countJobs(jobs)
	if asJSON {
		err = s.printDocument(ctx, task, jobs)
	} else {
		err = s.printReport(ctx, task, jobs)
	}
	if err != nil {
		return err
	}
	s.viewed(task, jobs)
	if task.Summary.OK != task.Hosts {
		return quiet(exitFailed)
	}
	return nil
}

// viewed records that the operator has seen the results.
func (s *session) viewed(task results.Task, jobs []results.Job) {
	if task.Done() { // no need to announce what has been seen
		s.submitted = slices.DeleteFunc(s.submitted, func(id string) bool { return id == task.ID })
	}
	hosts := make([]string, len(jobs))
	for i := range jobs {
		hosts[i] = jobs[i].Host
	}
	if err := s.engine.Viewed(task, hosts); err != nil {
		s.warn(fmt.Errorf("audit log: %w", err))
	}
}

// printReport prints a block for each job, then the end of it all, which is
// what a terminal still shows after much output.
func (s *session) printReport(ctx context.Context, task results.Task, jobs []results.Job) error {
	return s.printTo(func(w *bufio.Writer) error {
		fmt.Fprintf(w, "task %s  %s\n", task.ID, visible.Line(task.Command))
		b := blockWriter{w: w, terminal: s.stdio.OutTerminal, paint: s.paint, now: time.Now(), wide: widestHost(jobs)}
		for job, pieces := range s.perJob(ctx, task.ID, jobs) {
			if err := b.write(job, pieces); err != nil {
				return err
			}
		}
		fmt.Fprintln(w)
		writeEnding(w, s.paint, task, jobs)
		return nil
	})
}

// perJob ranges over the jobs, each with its output, which is read only as it
// is ranged over: all outputs of a task need not fit the memory.
func (s *session) perJob(ctx context.Context, task string, jobs []results.Job) iter.Seq2[*results.Job, iter.Seq2[results.Piece, error]] {
	return func(yield func(*results.Job, iter.Seq2[results.Piece, error]) bool) {
		next, stop := iter.Pull2(s.store.Outputs(ctx, task))
		defer stop()
		piece, err, ok := next()
		for i := range jobs {
			pieces := func(yield func(results.Piece, error) bool) {
				for ; ok && (err != nil || piece.Job <= i); piece, err, ok = next() {
					if err == nil && piece.Job < i {
						continue // of a job whose output nobody wanted
					}
					if !yield(piece, err) || err != nil {
						return
					}
				}
			}
			if !yield(&jobs[i], pieces) {
				return
			}
		}
	}
}

func widestHost(jobs []results.Job) int {
	wide := 0
	for i := range jobs {
		wide = max(wide, len(jobs[i].Host))
	}
	return min(wide, 32)
}

// A blockWriter writes jobs: a line about each, and below it what it printed.
// Folding equal results into one block would be another writer of the same jobs.
type blockWriter struct {
	w        *bufio.Writer
	terminal bool
	paint    paint
	now      time.Time
	wide     int  // columns for the host
	printed  bool // the last block had output: a blank line follows it
	any      bool // there was a block
}

func (b *blockWriter) write(j *results.Job, pieces iter.Seq2[results.Piece, error]) error {
	out := outputWriter{w: b.w, terminal: b.terminal, job: j}
	next, stop := iter.Pull2(pieces)
	defer stop()
	piece, err, ok := next()
	if err != nil {
		return err
	}
	shown := ok || !isWhole(j.Stdout) || !isWhole(j.Stderr)
	if shown || b.printed || !b.any {
		fmt.Fprintln(b.w)
	}
	b.printed, b.any = shown, true

	line := fmt.Sprintf("%-*s  %s", b.wide, j.Host, b.paint.job(j, jobWord(j)))
	if d := b.took(j); d != "" {
		line += "  " + d
	}
	if j.Agent != "" && j.Agent != j.Host {
		line += "  (agent " + visible.Line(j.Agent) + ")"
	}
	fmt.Fprintln(b.w, line)
	if j.Reason != "" {
		fmt.Fprintf(b.w, "  %s\n", visible.Line(j.Reason))
	}
	for ; ok; piece, err, ok = next() {
		if err != nil {
			return err
		}
		out.add(piece)
	}
	out.end()
	return nil
}

// took is how long the command ran, or has been running by the clocks here and
// there, which may differ.
func (b *blockWriter) took(j *results.Job) string {
	switch {
	case j.State == results.Running && !j.Started.IsZero():
		return "for " + humanDuration(max(0, b.now.Sub(j.Started)))
	case j.State == results.Ended && !j.Started.IsZero() && !j.Finished.IsZero():
		return humanDuration(j.Duration())
	}
	return ""
}

// writeEnding sums the task up: its state, who failed how, what is missing.
func writeEnding(w io.Writer, p paint, task results.Task, jobs []results.Job) {
	groups := make(map[string][]string) // job word → hosts
	var words []string
	hints := make(map[wire.Outcome]bool)
	var finished time.Time
	for i := range jobs {
		j := &jobs[i]
		if j.Finished.After(finished) {
			finished = j.Finished
		}
		if j.OK() {
			continue
		}
		word := jobWord(j)
		if groups[word] == nil {
			words = append(words, word)
		}
		groups[word] = append(groups[word], j.Host)
		hints[j.Outcome] = true
	}
	fmt.Fprintln(w, p.task(&task, stateText(&task)))
	wide := 0
	for _, word := range words {
		wide = max(wide, len(word))
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(groups[a]), len(groups[b])) })
	for _, word := range words {
		fmt.Fprintf(w, "  %-*s  %s\n", wide, word, hostexpr.Fold(groups[word]))
	}
	for _, o := range outcomes {
		if text := hintFor(o); hints[o] && text != "" {
			fmt.Fprintln(w, "hint: "+text)
		}
	}
	if !task.Done() {
		fmt.Fprintf(w, "hint: wait %s waits for the rest\n", shortID(task.ID))
	}
}

// An outputWriter writes one job's output: to a terminal made visible and
// indented, elsewhere as it came. Its streams are told apart by a line before
// each where there is more than standard output. Bytes that are not there are
// named where they would be.
type outputWriter struct {
	w        *bufio.Writer
	terminal bool
	job      *results.Job

	stream string // being written; "" before the first
	at     int64  // offset of the next byte of it
	last   byte   // written
	text   []byte // for a terminal: not yet written, since it may end within a character
}

func (o *outputWriter) add(p results.Piece) {
	if p.Stream != o.stream {
		o.endStream()
		o.begin(p.Stream)
	}
	if p.Offset > o.at {
		o.gap(p.Offset - o.at)
	}
	o.put(p.Data)
	o.at = p.Offset + int64(len(p.Data))
}

// end names what is missing of streams of which nothing came, too.
func (o *outputWriter) end() {
	o.endStream()
	for _, stream := range []string{wire.Stdout, wire.Stderr} {
		if stream != o.stream && !isWhole(o.account(stream)) && o.account(stream).Kept == 0 {
			o.begin(stream)
			o.endStream()
		}
	}
}

func (o *outputWriter) account(stream string) results.Output {
	if stream == wire.Stderr {
		return o.job.Stderr
	}
	return o.job.Stdout
}

// isWhole reports whether all that was produced is in the store.
func isWhole(a results.Output) bool { return a.Dropped == 0 && a.Missing() == 0 }

func (o *outputWriter) begin(stream string) {
	o.stream, o.at, o.last = stream, 0, '\n'
	if stream == wire.Stderr || o.job.Stderr.Size > 0 {
		o.label(stream + ":")
	}
}

// endStream writes what is left of a stream and what is missing at its end.
func (o *outputWriter) endStream() {
	if o.stream == "" {
		return
	}
	if missing := o.account(o.stream).Size - o.at; missing > 0 {
		o.gap(missing)
	}
	o.flush()
	o.newline()
	o.at = o.account(o.stream).Size
}

// gap names n bytes that are not there.
func (o *outputWriter) gap(n int64) {
	o.flush()
	o.newline()
	a := o.account(o.stream)
	why := "not kept: more than --max-output"
	switch {
	case a.Dropped > 0 && n <= a.Dropped:
	case a.Gone:
		why = "gone: the agent no longer has them"
	case o.job.State != results.Ended:
		why = "not here yet"
	default:
		why = "missing: the agent has not sent them yet"
	}
	o.label(fmt.Sprintf("[%s %s]", humanBytes(n), why))
}

// label writes a line of ours.
func (o *outputWriter) label(text string) {
	if o.terminal {
		fmt.Fprint(o.w, "  ")
	}
	fmt.Fprintln(o.w, text)
	o.last = '\n'
}

func (o *outputWriter) put(data []byte) {
	if len(data) == 0 {
		return
	}
	if !o.terminal {
		_, _ = o.w.Write(data)
		o.last = data[len(data)-1]
		return
	}
	// Whole lines only: a character, or CR and LF, may be cut in two here.
	old := len(o.text)
	o.text = append(o.text, data...)
	end := 0
	if i := bytes.LastIndexByte(data, '\n'); i >= 0 { // there is none in what waits
		end = old + i + 1
	} else if len(o.text) > longestLine {
		end = wholeRunes(o.text)
	}
	if end > 0 {
		o.indented(o.text[:end])
		o.text = append(o.text[:0], o.text[end:]...)
	}
}

func (o *outputWriter) flush() {
	if len(o.text) > 0 {
		o.indented(o.text)
		o.text = o.text[:0]
	}
}

// indented writes text for a terminal.
func (o *outputWriter) indented(text []byte) {
	for line := range strings.Lines(visible.Text(text)) {
		_, _ = o.w.WriteString("    ")
		_, _ = o.w.WriteString(line)
	}
	o.last = text[len(text)-1]
}

// newline ends a line that the command has not ended.
func (o *outputWriter) newline() {
	if o.last != '\n' {
		fmt.Fprintln(o.w)
		o.last = '\n'
	}
}

// longestLine is how much of a line is held back: no line of text is longer.
const longestLine = 64 << 10

// wholeRunes is the length of text without its last character, which may not be
// whole yet.
func wholeRunes(text []byte) int {
	for i := 1; i <= utf8.UTFMax; i++ {
		if utf8.RuneStart(text[len(text)-i]) {
			return len(text) - i
		}
	}
	return len(text)
}
