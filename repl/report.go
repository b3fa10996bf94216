package repl

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/visible"
	"warren/internal/wire"
)

// show prints the results of a task as they are now, writes the audit log, and
// returns the exit status that they mean.
func (s *session) show(ctx context.Context, task model.Task, v *view) error {
	task, jobs, chosen, err := s.asItIs(ctx, task.ID, v)
	if err != nil {
		return err
	}
	switch {
	case v.save != "":
		err = s.save(ctx, v, chosen)
	case v.raw:
		err = s.printRaw(ctx, v, chosen)
	case v.jsonl:
		err = s.printRecords(ctx, v, task, chosen)
	case v.json:
		err = s.printDocument(ctx, v, task, chosen)
	default:
		err = s.printReport(ctx, v, task, jobs, chosen)
	}
	if err != nil {
		return err
	}
	return s.seenAll(ctx, v, task, chosen)
}

// seenAll is seen for a view that shows output, of which some may be missing.
func (s *session) seenAll(ctx context.Context, v *view, task model.Task, chosen []model.Job) error {
	status := s.seen(task, chosen)
	if err := s.checkComplete(ctx, v, &task, chosen); err != nil {
		return err
	}
	return status
}

// asItIs gives a task (full id) as it is now, with its jobs, and those of them
// that are to be shown.
func (s *session) asItIs(ctx context.Context, id string, v *view) (task model.Task, jobs, chosen []model.Job, err error) {
	if task, err = s.store.Find(ctx, id); err != nil {
		return task, nil, nil, err
	}
	if jobs, err = s.store.Jobs(ctx, id); err != nil {
		return task, nil, nil, err
	}
	// Of the jobs, so that one document does not contradict itself.
	task.Summary = countJobs(jobs)
	chosen, err = v.choose(&task, jobs)
	return task, jobs, chosen, err
}

// seen writes the audit log of results that were shown, and returns the exit
// status that the task means.
func (s *session) seen(task model.Task, chosen []model.Job) error {
	s.viewed(task, chosen)
	s.warnOfClocks(clocksOfJobs(&task, chosen, time.Now()))
	if task.Summary.OK != task.Hosts {
		return quiet(exitFailed)
	}
	return nil
}

// viewed records that the operator has seen the results.
func (s *session) viewed(task model.Task, jobs []model.Job) {
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

// printReport prints a block for each different result of the chosen jobs, then
// the end of it all, which is what a terminal still shows after much output.
func (s *session) printReport(ctx context.Context, v *view, task model.Task, jobs, chosen []model.Job) error {
	if err := s.sums(ctx, v, task, chosen); err != nil {
		return err
	}
	blocks := v.fold(chosen)
	return s.pageTo(func(w *bufio.Writer) error {
		fmt.Fprintf(w, "task %s  %s\n", task.ID, visible.Line(task.Command))
		if task.RetryOf != "" {
			fmt.Fprintf(w, "retry of %s\n", task.RetryOf)
		}
		b := blockWriter{s: s, view: v, w: w, task: &task, now: time.Now(), wide: label(blocks, s.hostWidth())}
		if v.diff && len(blocks) > 0 {
			b.differ = &differ{s: s, view: v, base: blocks[len(blocks)-1], text: make(map[string]string)}
		}
		for _, block := range blocks {
			if err := b.write(ctx, block); err != nil {
				return err
			}
			if err := w.Flush(); err != nil { // the first screen need not wait for the last
				return err
			}
		}
		fmt.Fprintln(w)
		if len(chosen) == 0 {
			fmt.Fprint(w, "no host stands so\n\n")
		}
		s.writeEnding(w, task, jobs)
		writeSpread(w, blocks)
		s.writeHints(w, task, jobs)
		return nil
	})
}

// sums has the sum of each stream that is compared: of the lines that are shown,
// where these are not all.
func (s *session) sums(ctx context.Context, v *view, task model.Task, jobs []model.Job) error {
	if err := s.store.Sums(ctx, jobs); err != nil || v.tail == 0 {
		return err
	}
	known := make(map[model.Output]string) // whole streams that are equal end equally
	if len(jobs) > task.Hosts/4 {
		if err := s.learnEnds(ctx, v, task.ID, jobs, known); err != nil {
			return err
		}
	}
	v.tails = make(map[tailOf]string)
	for i := range jobs {
		for _, stream := range v.streams {
			a := account(&jobs[i], stream)
			if a.Kept == 0 {
				continue
			}
			sum, ok := known[a]
			if !ok {
				e, err := s.excerpt(ctx, v, &jobs[i], stream)
				if err != nil {
					return err
				}
				if sum, err = results.Sum(e.segments, e.from); err != nil {
					return err
				}
				known[a] = sum
			}
			v.tails[tailOf{&jobs[i], stream}] = sum
		}
	}
	return nil
}

// learnEnds finds the sums of the last lines of nearly all jobs of a task in one
// pass: of those whose last lines have come in one piece.
func (s *session) learnEnds(ctx context.Context, v *view, task string, jobs []model.Job, known map[model.Output]string) error {
	byIndex := make(map[int]*model.Job, len(jobs))
	for i := range jobs {
		byIndex[jobs[i].Index] = &jobs[i]
	}
	for piece, err := range s.store.Ends(ctx, task) {
		if err != nil {
			return err
		}
		j := byIndex[piece.Job]
		if j == nil || !slices.Contains(v.streams, piece.Stream) {
			continue
		}
		a := account(j, piece.Stream)
		if _, ok := known[a]; ok {
			continue
		}
		lines, ok := model.LastLines(piece.Segment, v.tail)
		if !ok {
			continue
		}
		lines = fromUnit(lines, v.encodingOf(j))
		known[a], err = results.Sum(func(yield func(model.Segment, error) bool) { yield(lines, nil) }, lines.Offset)
		if err != nil {
			return err
		}
	}
	return nil
}

// hostWidth is how long a list of hosts may be on a terminal; 0 is any length.
func (s *session) hostWidth() int { return 2 * s.stdio.width() }

// label folds the hosts of each block, and returns the columns that they take.
func label(blocks []*block, most int) int {
	wide := 0
	for _, b := range blocks {
		b.label = foldShort(b.hosts(), most)
		wide = max(wide, len(b.label))
	}
	return min(wide, 32)
}

// A blockWriter writes blocks: a line about each, and below it what its hosts
// have printed.
type blockWriter struct {
	s       *session
	view    *view
	w       *bufio.Writer
	differ  *differ // nil shows outputs
	task    *model.Task
	now     time.Time
	wide    int  // columns for the hosts
	printed bool // the last block had output: a blank line follows it
	any     bool // there was a block
}

func (b *blockWriter) write(ctx context.Context, block *block) error {
	j := block.jobs[0]
	shown := b.view.showsOutput(j)
	if shown || b.printed || !b.any {
		fmt.Fprintln(b.w)
	}
	b.printed, b.any = shown, true
	fmt.Fprintln(b.w, b.wrapped(b.headline(block)))
	b.reasons(block)
	if b.differ != nil && block != b.differ.base && !j.Started.IsZero() {
		return b.diff(ctx, j)
	}
	out := outputWriter{w: b.w, terminal: b.s.stdio.OutTerminal, job: j, decoder: b.view.encodingOf(j).NewDecoder()}
	for _, stream := range b.view.streams {
		if !hasOutput(account(j, stream)) {
			continue
		}
		e, err := b.s.excerpt(ctx, b.view, j, stream)
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
func (b *blockWriter) wrapped(line string) string { return visible.Wrap(line, b.s.stdio.width()) }

// headline is the line about a block.
func (b *blockWriter) headline(block *block) string {
	j := block.jobs[0]
	line := visible.Pad(block.label, b.wide) + "  " + b.s.paint.job(j, jobWord(j))
	if n := len(block.jobs); n > 1 {
		line += fmt.Sprintf("  %d hosts", n)
		if text := block.spans.String(); text != "" {
			line += "  " + text
		}
		if longest := longestRunning(b.task, block.jobs, b.now); longest != "" {
			line += "  " + longest
		}
		return line
	}
	switch {
	case runsSince(j):
		line += " " + runningText(b.task, j, b.now)
	case ran(j):
		line += "  " + humanDuration(j.Duration())
	}
	if j.Agent != "" && j.Agent != j.Host {
		line += "  (agent " + visible.Line(j.Agent) + ")"
	}
	return line
}

// mostReasons is how many different reasons of a block are told.
const mostReasons = 5

// reasons says why, as far as anybody has said. Of hosts on which processes live
// on, which have other ids on each, it shows the reason of one.
func (b *blockWriter) reasons(block *block) {
	hosts := make(map[string][]string)
	var reasons []string
	for _, j := range block.jobs {
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
	if block.left > 0 && len(reasons) > 1 {
		example := reasons[0]
		fmt.Fprintln(b.w, b.wrapped("  for example "+hosts[example][0]+": "+visible.Line(example)))
		return
	}
	for i, reason := range reasons {
		switch {
		case i == mostReasons:
			fmt.Fprintf(b.w, "  and %s\n", plural(len(reasons)-i, "other reason"))
			return
		case len(hosts[reason]) == len(block.jobs):
			fmt.Fprintln(b.w, b.wrapped("  "+visible.Line(reason)))
		default:
			fmt.Fprintln(b.w, b.wrapped("  "+foldShort(hosts[reason], b.s.stdio.width())+": "+visible.Line(reason)))
		}
	}
}

// diff writes how the job's output differs from the most frequent one.
func (b *blockWriter) diff(ctx context.Context, j *model.Job) error {
	same := true
	for _, stream := range b.view.streams {
		text, err := b.differ.against(ctx, j, stream)
		if err != nil {
			return err
		}
		same = same && text == ""
		_, _ = b.w.WriteString(b.s.paintDiff(text))
	}
	if same {
		fmt.Fprintf(b.w, "  the same output as %s\n", b.differ.base.jobs[0].Host)
	}
	b.printed = true
	return nil
}

// writeEnding sums the task up: its state, who failed how, and where processes
// live on.
func (s *session) writeEnding(w *bufio.Writer, task model.Task, jobs []model.Job) {
	groups := make(map[string][]string) // job word → hosts
	var words []string
	for i := range jobs {
		j := &jobs[i]
		if j.OK() && j.Left == 0 {
			continue
		}
		word := jobWord(j)
		if groups[word] == nil {
			words = append(words, word)
		}
		groups[word] = append(groups[word], j.Host)
	}
	fmt.Fprintln(w, s.paint.task(&task, stateText(&task)))
	wide := 0
	for _, word := range words {
		wide = max(wide, len(word))
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(groups[a]), len(groups[b])) })
	for _, word := range words {
		fmt.Fprintf(w, "  %-*s  %s\n", wide, word, foldShort(groups[word], s.hostWidth()))
	}
}

// writeSpread tells how far the results that were shown differ.
func writeSpread(w *bufio.Writer, blocks []*block) {
	if len(blocks) < 2 {
		return
	}
	var all []*model.Job
	for _, b := range blocks {
		all = append(all, b.jobs...)
	}
	line := plural(len(blocks), "different result")
	if text := spreadOf(all).String(); text != "" {
		line += "; " + text
	}
	fmt.Fprintln(w, line)
}

// writeHints says what to do about what went wrong, and what is missing.
func (s *session) writeHints(w *bufio.Writer, task model.Task, jobs []model.Job) {
	hints := make(map[wire.Outcome]bool)
	for i := range jobs {
		hints[jobs[i].Outcome] = true
	}
	for _, o := range model.Outcomes {
		if text := model.HintFor(o); hints[o] && text != "" {
			fmt.Fprintln(w, visible.Wrap("hint: "+text, s.stdio.width()))
		}
	}
	if !task.Done() {
		fmt.Fprintf(w, "hint: wait %s waits for the rest\n", shortID(task.ID))
	}
}
