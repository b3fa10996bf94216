//go:build unix

package lineedit

import (
	"io"
	"os"
	"strings"

	"warren/repl/term"
)

// wraps says whether a long line takes several rows.
const wraps = true

// A lineView draws the line that is being edited, as the surface of the console: the line
// editor prints into a pipe, and the view draws on the terminal what the editor means to show.
// So it can take the line off the terminal for a note, however many rows it has.
type lineView struct {
	out *term.Console

	// Used with the console's lock.
	want  *drawing
	shown *picture // on the terminal; nil is nothing
}

func newLineView(out *term.Console) *lineView {
	return &lineView{out: out, want: newDrawing()}
}

// with returns the view; the editor draws the prompt.
func (v *lineView) with(string) *lineView { return v }

// reading calls read, and draws what it prints to os.Stdout, which nothing else does
// meanwhile. It also reports whether the line was more than the prompt.
func (v *lineView) reading(prompt string, read func() (string, error)) (line string, typed bool, err error) {
	from, to, err := os.Pipe()
	if err != nil {
		return "", false, err
	}
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		defer from.Close()
		v.follow(from)
	}()
	stdout := os.Stdout
	os.Stdout = to
	line, err = read()
	os.Stdout = stdout
	_ = to.Close()
	<-drawn
	return line, strings.TrimSuffix(v.finish(), "^C") != prompt, err
}

// follow draws what the editor prints, until that ends.
func (v *lineView) follow(from io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		v.take(buf[:n])
	}
}

// take takes what the editor has printed.
func (v *lineView) take(b []byte) {
	v.out.Update(v, func(shown bool) {
		v.want.write(b)
		if shown && v.want.whole() {
			v.draw()
		}
	})
}

// finish forgets the line, which the editor has read, and returns it with its prompt.
func (v *lineView) finish() (text string) {
	v.out.Update(v, func(shown bool) {
		text = string(v.want.text)
		if shown && v.want.ended {
			v.end()
		}
		v.want, v.shown = newDrawing(), nil
	})
	return text
}

// draw makes the terminal show what the editor shows.
func (v *lineView) draw() {
	columns, rows := v.size()
	if v.want.cleared {
		v.want.cleared, v.shown = false, nil
		v.print("\x1b[H\x1b[2J")
	}
	next := newPicture(v.want.text, v.want.cursor(columns), columns, rows)
	if v.shown == nil {
		v.print(next.draw())
	} else {
		v.print(next.change(*v.shown, columns))
	}
	v.shown = &next
}

// Hide implements term.Surface.
func (v *lineView) Hide() {
	if v.shown == nil {
		return
	}
	columns, _ := v.size()
	v.print(v.shown.erase(columns))
	v.shown = nil
}

// Show implements term.Surface.
func (v *lineView) Show() {
	if len(v.want.text) > 0 && v.want.whole() {
		v.draw()
	}
}

func (v *lineView) leave() {
	v.out.Update(v, func(bool) { v.end() })
}

// end leaves the line on the terminal, with the cursor below it.
func (v *lineView) end() {
	if v.shown == nil {
		return
	}
	columns, _ := v.size()
	v.print(v.shown.end(columns))
	v.shown = nil
}

func (v *lineView) size() (columns, rows int) {
	if v.out.Size == nil {
		return 0, 0
	}
	return v.out.Size()
}

func (v *lineView) print(text string) {
	if text == "" {
		return
	}
	_, _ = io.WriteString(v.out.Out, text)
}
