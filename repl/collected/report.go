package collected

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

const (
	// mostPaths is how many paths a report names.
	mostPaths = 500

	// longestPath is how many columns the paths of a report take at most.
	longestPath = 48

	// savingInterval is the time between two notes about the progress of saving.
	savingInterval = 2 * time.Second
)

// A summary is what the jobs of a collect have sent.
type summary struct {
	paths    []*pathReport       // the first mostPaths
	more     int                 // other paths
	broken   map[string][]string // hosts by what is wrong with their archives
	unlisted []string            // hosts whose lists are too large to be kept
	hosts    int                 // that sent files
	files    int
	bytes    int64
	failed   int // files that are of no use
}

// gather reads, and saves, what the jobs have sent. It prints notes about the progress.
func gather(ctx context.Context, out *term.Console, v *result.View, jobs []model.Job) (*summary, error) {
	r := readerOf(v)
	s, o := &summary{broken: map[string][]string{}}, newOverview(r.catalog)
	last := time.Now()
	for i := range jobs {
		j := &jobs[i]
		if now := time.Now(); out.ErrTerminal && v.Save != "" && now.Sub(last) >= savingInterval {
			last = now
			out.Note("saved the files of %d of %s", i, term.Plural(len(jobs), "host"))
		}
		rec, err := r.record(ctx, j)
		if err != nil {
			return nil, err
		}
		s.add(j.Host, rec)
		if rec.listed {
			o.add(j.Host, rec.list)
		}
	}
	s.paths, s.more = o.reports()
	return s, nil
}

func (s *summary) add(host string, r *record) {
	if r.err != nil {
		s.broken[r.err.Error()] = append(s.broken[r.err.Error()], host)
	}
	if !r.listed {
		s.unlisted = append(s.unlisted, host)
	}
	if r.files > 0 {
		s.hosts++
	}
	s.files += r.files
	s.bytes += r.bytes
	s.failed += r.failed
}

// A Report prints a collect for people.
type Report struct {
	printer *render.Printer
	out     *term.Console
	view    *result.View
	task    model.Task
}

// NewReport returns the report of a task whose view was made by Apply.
func NewReport(p *render.Printer, out *term.Console, v *result.View, task model.Task) *Report {
	return &Report{p, out, v, task}
}

// Print reads what the chosen jobs have sent, saves it in the directory of the view, and prints it.
func (r *Report) Print(ctx context.Context, jobs, chosen []model.Job) error {
	s, blocks, err := r.read(ctx, chosen)
	if err != nil {
		return err
	}
	return r.printer.Page(func(w *bufio.Writer) error {
		r.out.Lang.Fprintf(w, "task %s  %s\n\n", r.task.ID, translate.Plain(term.Line(r.task.Command)))
		if err := r.writePaths(w, s); err != nil {
			return err
		}
		if len(blocks) > 0 {
			_, _ = w.Write(blocks)
			fmt.Fprintln(w)
		}
		r.printer.WriteEnding(w, r.task, jobs)
		r.writeTotal(w, s)
		r.printer.WriteHints(w, r.task, jobs)
		return nil
	})
}

// Short returns what the jobs have sent, or nil if it takes more than most lines; 0 is any
// number.
func (r *Report) Short(ctx context.Context, jobs []model.Job, most int) ([]byte, error) {
	s, blocks, err := r.read(ctx, jobs)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	if err := r.writePaths(w, s); err != nil {
		return nil, err
	}
	_, _ = w.Write(blocks)
	r.writeTotal(w, s)
	if err := w.Flush(); err != nil || most > 0 && bytes.Count(text.Bytes(), []byte("\n")) > most {
		return nil, err
	}
	return text.Bytes(), nil
}

// Total prints how much the jobs have sent, and where it is.
func (r *Report) Total(ctx context.Context, w *bufio.Writer, jobs []model.Job) error {
	s, err := gather(ctx, r.out, r.view, jobs)
	if err == nil {
		r.writeTotal(w, s)
	}
	return err
}

// read gathers what the jobs have sent, and describes the jobs that did not succeed.
func (r *Report) read(ctx context.Context, jobs []model.Job) (*summary, []byte, error) {
	s, err := gather(ctx, r.out, r.view, jobs)
	if err != nil {
		return nil, nil, err
	}
	var bad []model.Job
	for i := range jobs {
		if !jobs[i].OK() {
			bad = append(bad, jobs[i])
		}
	}
	if len(bad) == 0 {
		return s, nil, nil
	}
	blocks, err := r.printer.Short(ctx, r.view, r.task, bad, 0, false)
	return s, blocks, err
}

// writePaths writes a line for each version of each path.
func (r *Report) writePaths(w *bufio.Writer, s *summary) error {
	wide, widePath := 0, 0
	for _, p := range s.paths {
		for _, g := range p.groups {
			wide = max(wide, len(r.hosts(g.hosts())))
		}
		if len(p.groups) == 1 {
			widePath = max(widePath, term.Width(term.Line(p.path)))
		}
	}
	wide, widePath = min(wide, 32), min(widePath, longestPath)
	for _, p := range s.paths {
		if len(p.groups) == 1 {
			r.writeGroup(w, term.Pad(term.Line(p.path), widePath)+"  ", p.groups[0], wide)
			continue
		}
		fmt.Fprintln(w, term.Line(p.path))
		for _, g := range p.groups {
			r.writeGroup(w, "  ", g, wide)
			if err := r.writeDiff(w, p, g); err != nil {
				return err
			}
		}
	}
	if s.more > 0 {
		r.out.Lang.Fprintf(w, "and %s; --json lists all\n", term.Plural(s.more, "other path"))
	}
	if len(s.unlisted) > 0 {
		line := r.out.Lang.Sprintf("not listed, because the hosts have too many different files; --json lists them")
		fmt.Fprintln(w, term.Wrap(term.Pad(r.hosts(s.unlisted), wide)+"  "+line, r.out.Width()))
	}
	for _, problem := range slices.Sorted(maps.Keys(s.broken)) {
		line := term.Pad(r.hosts(s.broken[problem]), wide) + "  " + r.out.Lang.Text(term.Line(problem))
		fmt.Fprintln(w, r.out.Paint.Bad(term.Wrap(line, r.out.Width())))
	}
	if len(s.paths)+len(s.broken)+len(s.unlisted) > 0 {
		fmt.Fprintln(w)
	}
	return nil
}

func (r *Report) hosts(names []string) string { return result.FoldShort(names, 2*r.out.Width()) }

func (r *Report) writeGroup(w *bufio.Writer, head string, g *group, wide int) {
	text := r.out.Lang.Text(g.file.Text())
	if g.file.Failed != "" {
		text = r.out.Paint.Bad(text)
	}
	fmt.Fprintln(w, term.Wrap(head+term.Pad(r.hosts(g.hosts()), wide)+"  "+text, r.out.Width()))
}

// writeDiff writes how a version differs from the one that most hosts have.
func (r *Report) writeDiff(w *bufio.Writer, p *pathReport, g *group) error {
	v, base := r.view, p.groups[len(p.groups)-1]
	if !v.Diff || g == base || g.file.Missing != "" || g.file.Failed != "" || base.file.Missing != "" || base.file.Failed != "" {
		return nil
	}
	before, ok := v.Collect.Text(base.file.SHA256)
	after, ok2 := v.Collect.Text(g.file.SHA256)
	if !ok || !ok2 {
		r.out.Lang.Fprintf(w, "    [not text, or too large to compare: use --save DIR and diff]\n")
		return nil
	}
	if r.out.OutTerminal {
		before, after = term.Output([]byte(before)), term.Output([]byte(after))
	}
	text, err := render.Diff(label(p.path, base.hosts()), label(p.path, g.hosts()), before, after)
	if err == nil {
		_, err = w.WriteString(r.printer.PaintDiff(text))
	}
	return err
}

// label names a version in a diff.
func label(path string, hosts []string) string {
	return term.Line(path) + " of " + hostexpr.Fold(hosts)
}

// writeTotal says how much there is, and where it is.
func (r *Report) writeTotal(w *bufio.Writer, s *summary) {
	lang := r.out.Lang
	total := lang.Sprintf("%s, %s, of %s", term.Plural(s.files, "file"), term.Size(s.bytes), term.Plural(s.hosts, "host"))
	if s.failed > 0 {
		fmt.Fprintln(w, r.out.Paint.Bad(lang.Sprintf("%s not collected: see above", term.Plural(s.failed, "file"))))
	}
	broken := 0
	for _, hosts := range s.broken {
		broken += len(hosts)
	}
	if broken > 0 {
		fmt.Fprintln(w, r.out.Paint.Bad(lang.Sprintf("%s without a whole archive: see above", term.Plural(broken, "host"))))
	}
	switch {
	case s.files == 0:
		lang.Fprintf(w, "no files were collected\n")
	case r.view.Save == "":
		fmt.Fprintln(w, total)
		fmt.Fprintln(w, r.out.InForm(lang.Sprintf("hint: check_task %s --save DIR saves the files", result.ShortID(r.task.ID))))
	default:
		lang.Fprintf(w, "saved in %s, a directory for each host: %s\n", term.Line(r.view.Save), term.Line(total))
	}
}

// Status is the exit status of the jobs of a collect, besides that of their task.
func Status(ctx context.Context, v *result.View, jobs []model.Job) error {
	for i := range jobs {
		rec, err := readerOf(v).record(ctx, &jobs[i])
		if err != nil {
			return err
		}
		if !rec.ok() {
			return cli.ExitWith(cli.ExitFailed)
		}
	}
	return nil
}
