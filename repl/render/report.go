package render

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/result"
	"warren/repl/term"
)

// Report prints a block for each different result of the chosen jobs, then
// the end of it all, which is what a terminal still shows after much output.
func (p *Printer) Report(ctx context.Context, v *result.View, task model.Task, jobs, chosen []model.Job) error {
	if err := p.sums(ctx, v, task, chosen); err != nil {
		return err
	}
	blocks := v.Fold(chosen)
	return p.Page(func(w *bufio.Writer) error {
		p.out.Lang.Fprintf(w, "task %s  %s\n", task.ID, translate.Plain(term.Line(task.Command)))
		if task.RetryOf != "" {
			p.out.Lang.Fprintf(w, "retry of %s\n", task.RetryOf)
		}
		if err := p.writeBlocks(ctx, w, v, &task, blocks); err != nil {
			return err
		}
		fmt.Fprintln(w)
		if len(chosen) == 0 {
			fmt.Fprint(w, p.out.Lang.Word("no hosts match\n\n"))
		}
		p.WriteEnding(w, task, jobs)
		writeDifferences(w, p.out.Lang, blocks)
		p.WriteHints(w, task, jobs)
		return nil
	})
}

func (p *Printer) writeBlocks(ctx context.Context, w *bufio.Writer, v *result.View, task *model.Task, blocks []*result.Block) error {
	b := blockWriter{printer: p, view: v, w: w, task: task, now: time.Now(), wide: label(blocks, p.hostWidth())}
	if v.Diff && len(blocks) > 0 {
		b.differ = &differ{printer: p, view: v, base: blocks[len(blocks)-1], text: make(map[string]string)}
	}
	for _, block := range blocks {
		if err := b.write(ctx, block); err != nil {
			return err
		}
		if err := w.Flush(); err != nil { // the first screen need not wait for the last
			return err
		}
	}
	return nil
}

// sums has the sum of each stream that is compared: of the lines that are shown,
// where these are not all.
func (r *outputReader) sums(ctx context.Context, v *result.View, task model.Task, jobs []model.Job) error {
	if err := r.store.Sums(ctx, jobs); err != nil || v.Tail == 0 {
		return err
	}
	known := make(map[model.Output]string) // whole streams that are equal end equally
	if len(jobs) > task.Hosts/4 {
		if err := r.learnEnds(ctx, v, task.ID, jobs, known); err != nil {
			return err
		}
	}
	v.Tails = make(map[result.TailKey]string)
	for i := range jobs {
		for _, stream := range v.Streams {
			a := result.Account(&jobs[i], stream)
			if a.Kept == 0 {
				continue
			}
			sum, ok := known[a]
			if !ok {
				e, err := r.excerpt(ctx, v, &jobs[i], stream)
				if err != nil {
					return err
				}
				if sum, err = results.Sum(e.segments, e.from); err != nil {
					return err
				}
				known[a] = sum
			}
			v.Tails[result.TailKey{Job: &jobs[i], Stream: stream}] = sum
		}
	}
	return nil
}

// learnEnds finds the sums of the last lines of nearly all jobs of a task in one
// pass: of those whose last lines have come in one piece.
func (r *outputReader) learnEnds(ctx context.Context, v *result.View, task string, jobs []model.Job, known map[model.Output]string) error {
	byIndex := make(map[int]*model.Job, len(jobs))
	for i := range jobs {
		byIndex[jobs[i].Index] = &jobs[i]
	}
	for piece, err := range r.store.Ends(ctx, task) {
		if err != nil {
			return err
		}
		j := byIndex[piece.Job]
		if j == nil || !slices.Contains(v.Streams, piece.Stream) {
			continue
		}
		a := result.Account(j, piece.Stream)
		if _, ok := known[a]; ok {
			continue
		}
		lines, ok := model.LastLines(piece.Segment, v.Tail)
		if !ok {
			continue
		}
		lines = fromUnit(lines, v.EncodingOf(j))
		known[a], err = results.Sum(func(yield func(model.Segment, error) bool) { yield(lines, nil) }, lines.Offset)
		if err != nil {
			return err
		}
	}
	return nil
}

// hostWidth is how long a list of hosts may be on a terminal; 0 is any length.
func (p *Printer) hostWidth() int { return 2 * p.out.Width() }

// label folds the hosts of each block, and returns the columns that they take.
func label(blocks []*result.Block, most int) int {
	wide := 0
	for _, b := range blocks {
		b.Label = result.FoldShort(b.Hosts(), most)
		wide = max(wide, len(b.Label))
	}
	return min(wide, 32)
}

// A blockWriter writes blocks: a line about each, and below it what its hosts
// have printed.
type blockWriter struct {
	printer *Printer
	view    *result.View
	w       *bufio.Writer
	differ  *differ // nil shows outputs
	task    *model.Task
	now     time.Time
	wide    int  // columns for the hosts
	printed bool // the last block had output: a blank line follows it
	any     bool // there was a block
}

func (b *blockWriter) write(ctx context.Context, block *result.Block) error {
	j := block.Jobs[0]
	shown := b.view.ShowsOutput(j)
	if shown || b.printed || !b.any {
		fmt.Fprintln(b.w)
	}
	b.printed, b.any = shown, true
	fmt.Fprintln(b.w, b.wrapped(b.headline(block)))
	b.reasons(block)
	if b.differ != nil && block != b.differ.base && !j.Started.IsZero() {
		return b.diff(ctx, j)
	}
	out := outputWriter{w: b.w, terminal: b.printer.out.OutTerminal, lang: b.printer.out.Lang, job: j, decoder: b.view.EncodingOf(j).NewDecoder()}
	for _, stream := range b.view.Streams {
		if !result.HasOutput(result.Account(j, stream)) {
			continue
		}
		e, err := b.printer.excerpt(ctx, b.view, j, stream)
		if err != nil {
			return err
		}
		if err := out.write(stream, e); err != nil {
			return err
		}
	}
	return nil
}

// wrapped is a line about a block, which a terminal may be too narrow for.
func (b *blockWriter) wrapped(line string) string { return term.Wrap(line, b.printer.out.Width()) }

// headline is the line about a block.
func (b *blockWriter) headline(block *result.Block) string {
	j, lang := block.Jobs[0], b.printer.out.Lang
	line := term.Pad(block.Label, b.wide) + "  " + result.PaintJob(b.printer.out.Paint, j, lang.Text(result.JobWord(j)))
	if n := len(block.Jobs); n > 1 {
		line += lang.Sprintf("  %d hosts", n)
		if text := block.Spans.String(); text != "" {
			line += "  " + lang.Text(text)
		}
		if longest := result.LongestRunning(b.task, block.Jobs, b.now); longest != "" {
			line += "  " + lang.Text(longest)
		}
		return line
	}
	switch {
	case result.RunsSince(j):
		line += " " + result.RunningText(b.task, j, b.now)
	case result.Ran(j):
		line += "  " + term.Duration(j.Duration())
	}
	if j.Agent != "" && j.Agent != j.Host {
		line += lang.Sprintf("  (agent %s)", term.Line(j.Agent))
	}
	return line
}

// reasons says why, as far as anybody has said. Of hosts on which processes live
// on, which have other ids on each, it shows the reason of one.
func (b *blockWriter) reasons(block *result.Block) {
	lang := b.printer.out.Lang
	hosts := make(map[string][]string)
	var reasons []string
	for _, j := range block.Jobs {
		reason := j.ReasonText()
		if reason == "" {
			continue
		}
		if hosts[reason] == nil {
			reasons = append(reasons, reason)
		}
		hosts[reason] = append(hosts[reason], j.Host)
	}
	slices.SortStableFunc(reasons, func(a, c string) int { return cmp.Compare(len(hosts[c]), len(hosts[a])) })
	if block.Left > 0 && len(reasons) > 1 {
		example := reasons[0]
		fmt.Fprintln(b.w, b.wrapped(lang.Sprintf("  for example %s: %s", hosts[example][0], term.Line(example))))
		return
	}
	for i, reason := range reasons {
		switch {
		case i == result.MostReasons:
			lang.Fprintf(b.w, "  and %s\n", term.Plural(len(reasons)-i, "other reason"))
			return
		case len(hosts[reason]) == len(block.Jobs):
			fmt.Fprintln(b.w, b.wrapped("  "+lang.Text(term.Line(reason))))
		default:
			fmt.Fprintln(b.w, b.wrapped("  "+result.FoldShort(hosts[reason], b.printer.out.Width())+": "+lang.Text(term.Line(reason))))
		}
	}
}

// diff writes how the job's output differs from the most frequent one.
func (b *blockWriter) diff(ctx context.Context, j *model.Job) error {
	same := true
	for _, stream := range b.view.Streams {
		text, err := b.differ.against(ctx, j, stream)
		if err != nil {
			return err
		}
		same = same && text == ""
		_, _ = b.w.WriteString(b.printer.PaintDiff(text))
	}
	if same {
		b.printer.out.Lang.Fprintf(b.w, "  the same output as %s\n", b.differ.base.Jobs[0].Host)
	}
	b.printed = true
	return nil
}

// WriteEnding sums the task up: its state, who failed how, and where processes
// live on.
func (p *Printer) WriteEnding(w *bufio.Writer, task model.Task, jobs []model.Job) {
	groups := make(map[string][]string) // job word → hosts
	var words []string
	for i := range jobs {
		j := &jobs[i]
		if j.OK() && j.Left == 0 {
			continue
		}
		word := p.out.Lang.Text(result.JobWord(j))
		if groups[word] == nil {
			words = append(words, word)
		}
		groups[word] = append(groups[word], j.Host)
	}
	fmt.Fprintln(w, result.PaintTask(p.out.Paint, &task, p.out.Lang.Text(result.StateText(&task))))
	wide := 0
	for _, word := range words {
		wide = max(wide, term.Width(word))
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(groups[a]), len(groups[b])) })
	writeVerifyFailures(w, p.out.Lang, p.out.Paint, task.Rollout)
	for _, word := range words {
		fmt.Fprintf(w, "  %s  %s\n", term.Pad(word, wide), p.out.Lang.Text(result.FoldShort(groups[word], p.hostWidth())))
	}
}

// writeDifferences prints how the results that were shown differ.
func writeDifferences(w *bufio.Writer, lang *translate.Language, blocks []*result.Block) {
	if len(blocks) < 2 {
		return
	}
	var all []*model.Job
	for _, b := range blocks {
		all = append(all, b.Jobs...)
	}
	line := term.Plural(len(blocks), "different result")
	if text := result.SpreadOf(all).String(); text != "" {
		line += "; " + text
	}
	fmt.Fprintln(w, lang.Text(line))
}

// WriteHints says what to do about what went wrong, and what is missing.
func (p *Printer) WriteHints(w *bufio.Writer, task model.Task, jobs []model.Job) {
	hints := make(map[wire.Outcome]bool)
	for i := range jobs {
		hints[jobs[i].Outcome] = true
	}
	for _, o := range model.Outcomes {
		if text := model.HintFor(o); hints[o] && text != "" {
			word := p.out.Lang.Word(model.OutcomeText(o).Word)
			fmt.Fprintln(w, term.Wrap(p.out.InForm(p.out.Lang.Sprintf("hint: %s: %s", word, text)), p.out.Width()))
		}
	}
	switch id := result.ShortID(task.ID); {
	case task.Rollout.Pause() != nil:
		fmt.Fprintln(w, p.out.InForm(p.out.Lang.Sprintf("hint: resume %s continues the rollout, cancel %s ends it", id, id)))
	case !task.Done():
		fmt.Fprintln(w, p.out.InForm(p.out.Lang.Sprintf("hint: wait %s waits for the rest", id)))
	}
}
