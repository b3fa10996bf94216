package lineedit

import (
	"io"

	"github.com/peterh/liner"
)

// A keyboard does nothing here: the console gives the line editor keys, not
// bytes, and knows no bracketed paste.
type keyboard struct{}

func openKeyboard(io.Writer) *keyboard { return &keyboard{} }

func (*keyboard) newLiner() *liner.State { return liner.NewLiner() }

func (*keyboard) open() {}

func (*keyboard) close() {}
