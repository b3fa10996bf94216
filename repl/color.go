package repl

import (
	"os"

	"warren/internal/operator/model"
)

// A colorWhen says when colors are used.
type colorWhen string

const (
	colorAuto   colorWhen = "auto" // on a terminal that has them, unless NO_COLOR is set (no-color.org)
	colorAlways colorWhen = "always"
	colorNever  colorWhen = "never"
)

func (c *colorWhen) UnmarshalText(text []byte) error {
	switch w := colorWhen(text); w {
	case colorAuto, colorAlways, colorNever:
		*c = w
		return nil
	}
	return usage("it is auto, always or never", "%q is no way to use colors", text)
}

// paintFor is the paint of an output.
func (c colorWhen) paintFor(terminal bool) paint {
	switch c {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	return paint(terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && takesColors())
}

// A paint colors text, or leaves it as it is. It is put on what is laid out
// already: its bytes have no width.
type paint bool

func (p paint) with(sgr, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p paint) ok(text string) string    { return p.with("32", text) } // green: as it should be
func (p paint) bad(text string) string   { return p.with("31", text) } // red: it went wrong
func (p paint) doubt(text string) string { return p.with("33", text) } // yellow: not known, or not yet

// job colors a text by how a job stands.
func (p paint) job(j *model.Job, text string) string {
	switch {
	case j.OK():
		return p.ok(text)
	case j.State != model.Ended || isUnknown(j.Outcome):
		return p.doubt(text)
	}
	return p.bad(text)
}

// task colors a text by how a task stands.
func (p paint) task(t *model.Task, text string) string {
	switch {
	case !t.Done():
		return p.doubt(text)
	case t.Summary.OK == t.Hosts:
		return p.ok(text)
	}
	return p.bad(text)
}
