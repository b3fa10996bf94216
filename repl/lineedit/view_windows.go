package lineedit

import (
	"fmt"

	"warren/repl/term"
)

// wraps says whether a long line takes several rows. On Windows the line editor moves the
// cursor with calls of the console, so that Warren cannot follow what it draws: it scrolls a
// long line within one row.
const wraps = false

// A lineView is the row of the console in which the line editor draws.
type lineView struct {
	out    *term.Console
	prompt string
	begun  bool // the editor has drawn the prompt
}

func newLineView(out *term.Console) *lineView { return &lineView{out: out} }

// with sets the prompt of the next line.
func (v *lineView) with(prompt string) *lineView {
	v.prompt = prompt
	return v
}

// reading calls read, which draws. What has been typed is not known.
func (v *lineView) reading(_ string, read func() (string, error)) (line string, typed bool, err error) {
	v.out.Update(v, func(bool) { v.begun = true })
	defer v.out.Update(v, func(bool) { v.begun = false })
	line, err = read()
	return line, false, err
}

func (v *lineView) Hide() {
	if v.begun {
		// Without colors, nothing has enabled escape sequences.
		fmt.Fprint(v.out.Out, erasure(term.TakesColors(), v.out.Width()))
	}
}

// Show shows the prompt. The editor draws the rest of the line with the next key: nothing
// makes it do so earlier.
func (v *lineView) Show() {
	if v.begun {
		fmt.Fprint(v.out.Out, v.prompt)
	}
}

func (v *lineView) leave() { fmt.Fprintln(v.out.Out) }
