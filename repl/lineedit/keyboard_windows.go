package lineedit

import (
	"fmt"

	"github.com/peterh/liner"
)

// A keyboard does nothing here: the console gives the line editor keys, not
// bytes, and knows no bracketed paste.
type keyboard struct{}

func openKeyboard() *keyboard { return &keyboard{} }

func (*keyboard) newLiner() *liner.State { return liner.NewLiner() }

func (*keyboard) open() {}

func (*keyboard) close() {}

// redraw shows the prompt. The editor draws the rest of the line with the next key:
// nothing makes it do so earlier.
func (*keyboard) redraw(prompt string) { fmt.Print(prompt) }
