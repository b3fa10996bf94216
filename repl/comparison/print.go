package comparison

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// A printer prints a comparison.
type printer struct {
	out    *term.Console
	differ *differ
	found  *comparison
}

// report prints a comparison for people.
func (p *printer) report(ctx context.Context) error {
	c := p.found
	_, err := p.out.Page(func(w *bufio.Writer) error {
		p.title(w, "---", &c.before.task)
		p.title(w, "+++", &c.after.task)
		for _, change := range c.changes {
			if err := p.block(ctx, w, change); err != nil {
				return err
			}
			if err := w.Flush(); err != nil { // the first screen need not wait for the last
				return err
			}
		}
		fmt.Fprintln(w)
		p.listf(w, c.onlyBefore, "only in %s: %s, %s", result.ShortID(c.before.task.ID))
		p.listf(w, c.onlyAfter, "only in %s: %s, %s", result.ShortID(c.after.task.ID))
		p.listf(w, c.unchanged, "unchanged: %s, %s")
		p.total(w)
		return nil
	})
	return err
}

// line prints a line, broken at blanks where a terminal is too narrow for it.
func (p *printer) line(w *bufio.Writer, text string) {
	fmt.Fprintln(w, term.Wrap(text, p.out.Width()))
}

func (p *printer) title(w *bufio.Writer, mark string, t *model.Task) {
	p.line(w, fmt.Sprintf("%s %s  %s  %s", mark, t.ID, t.Created.UTC().Format(time.RFC3339), result.CommandText(t)))
}

// names folds the names of hosts to about two lines.
func (p *printer) names(hosts []string) string {
	return p.out.Lang.Text(result.FoldShort(hosts, 2*p.out.Width()))
}

// listf prints a line about hosts, if there are any. The last two verbs of the format are their
// number and their names.
func (p *printer) listf(w *bufio.Writer, hosts []string, format string, args ...any) {
	if len(hosts) > 0 {
		args = append(args, term.Plural(len(hosts), "host"), translate.Plain(p.names(hosts)))
		p.line(w, p.out.Lang.Sprintf(format, args...))
	}
}

// total prints how many hosts have changed.
func (p *printer) total(w *bufio.Writer) {
	changed := 0
	for _, change := range p.found.changes {
		changed += len(change.hosts)
	}
	hosts := term.Plural(changed+len(p.found.unchanged), "host")
	if ways := len(p.found.changes); ways > 1 {
		p.out.Lang.Fprintf(w, "%d of %s changed, in %d different ways\n", changed, hosts, ways)
	} else {
		p.out.Lang.Fprintf(w, "%d of %s changed\n", changed, hosts)
	}
}

// block prints a change: its hosts and outcomes, and the diff of the first host.
func (p *printer) block(ctx context.Context, w *bufio.Writer, c *change) error {
	lang := p.out.Lang
	line := p.names(c.hosts) + "  "
	if c.key.before != c.key.after {
		line += result.PaintJob(p.out.Paint, c.pair.before, lang.Text(c.key.before)) + " -> "
	}
	line += result.PaintJob(p.out.Paint, c.pair.after, lang.Text(c.key.after))
	if n := len(c.hosts); n > 1 {
		line += lang.Sprintf("  %d hosts", n)
	}
	fmt.Fprintln(w)
	p.line(w, line)
	same := true
	for _, stream := range p.differ.view.Streams {
		if p.differ.isLarge(c.pair, stream) {
			if c.fingerprint(stream) != (fingerprint{}) {
				lang.Fprintf(w, "  %s has changed; it is too large to compare: use check_task --save DIR and diff\n", stream)
				same = false
			}
			continue
		}
		text, err := p.differ.text(ctx, c.pair, stream)
		if err != nil {
			return err
		}
		same = same && text == ""
		_, _ = w.WriteString(p.differ.printer.PaintDiff(text))
	}
	if same && !c.pair.after.Started.IsZero() && !c.pair.before.Started.IsZero() {
		fmt.Fprintln(w, lang.Word("  the same output"))
	}
	return nil
}

func (c *change) fingerprint(stream string) fingerprint {
	if stream == wire.Stderr {
		return c.key.stderr
	}
	return c.key.stdout
}

// The document of --json. Its changes are written one at a time.
type changeDocument struct {
	Hosts  []string        `json:"hosts"`
	Before outcomeDocument `json:"before"`
	After  outcomeDocument `json:"after"`
	// The unified diffs for the first host; null where nothing has changed, where the stream
	// was not asked for, and where it is too large to compare.
	StdoutDiff *string  `json:"stdout_diff"`
	StderrDiff *string  `json:"stderr_diff"`
	TooLarge   []string `json:"too_large"` // streams that have changed, but are too large to compare
}

type outcomeDocument struct {
	State    model.State   `json:"state"`
	Outcome  *wire.Outcome `json:"outcome"`
	ExitCode *int          `json:"exit_code"`
	Signal   *string       `json:"signal"`
	Left     int           `json:"left"`
}

type taskDocument struct {
	ID      string    `json:"id"`
	Command string    `json:"command"`
	Created time.Time `json:"created"`
	Done    bool      `json:"done"`
}

// document prints a comparison as one JSON document.
func (p *printer) document(ctx context.Context) error {
	return p.out.Print(func(w *bufio.Writer) error {
		c := p.found
		head := struct {
			Before     taskDocument `json:"before"`
			After      taskDocument `json:"after"`
			Unchanged  []string     `json:"unchanged"`
			OnlyBefore []string     `json:"only_before"`
			OnlyAfter  []string     `json:"only_after"`
		}{describeTask(&c.before.task), describeTask(&c.after.task), notNil(c.unchanged), notNil(c.onlyBefore), notNil(c.onlyAfter)}
		text, err := cli.EncodeJSON(head)
		if err != nil {
			return err
		}
		_, _ = w.Write(text[:len(text)-1])
		_, _ = w.WriteString(`,"changes":[`)
		for i, change := range c.changes {
			if i > 0 {
				_ = w.WriteByte(',')
			}
			_ = w.WriteByte('\n')
			doc, err := p.describe(ctx, change)
			if err != nil {
				return err
			}
			if text, err = cli.EncodeJSON(doc); err != nil {
				return err
			}
			_, _ = w.Write(text)
		}
		_, err = w.WriteString("\n]}\n")
		return err
	})
}

func (p *printer) describe(ctx context.Context, c *change) (d changeDocument, err error) {
	d = changeDocument{Hosts: c.hosts, Before: describeJob(c.pair.before), After: describeJob(c.pair.after), TooLarge: []string{}}
	for _, stream := range p.differ.view.Streams {
		if c.fingerprint(stream) == (fingerprint{}) {
			continue
		}
		if p.differ.isLarge(c.pair, stream) {
			d.TooLarge = append(d.TooLarge, stream)
			continue
		}
		text, err := p.differ.text(ctx, c.pair, stream)
		if err != nil {
			return d, err
		}
		text = strings.ToValidUTF8(text, "\uFFFD")
		if stream == wire.Stderr {
			d.StderrDiff = &text
		} else {
			d.StdoutDiff = &text
		}
	}
	return d, nil
}

func describeJob(j *model.Job) outcomeDocument {
	d := outcomeDocument{State: j.State, Outcome: cli.PtrOrNil(j.Outcome), Signal: cli.PtrOrNil(j.Signal), Left: j.Left}
	if j.Outcome == wire.Exited {
		d.ExitCode = &j.ExitCode
	}
	return d
}

func describeTask(t *model.Task) taskDocument {
	return taskDocument{t.ID, t.Command, t.Created.UTC(), t.Done()}
}

// notNil returns an empty list for nil, which JSON would write as null.
func notNil(names []string) []string { return append([]string{}, names...) }
