package lineedit

import (
	"errors"
	"fmt"

	"github.com/peterh/liner"

	"warren/repl/term"
)

// ErrDiscarded is the error of Next where Ctrl-C has discarded a line that was begun. It is a
// term.ErrInterrupted.
var ErrDiscarded = fmt.Errorf("%w", term.ErrInterrupted)

// NewEditor opens the line editor on the process's terminal, nil where the
// terminal cannot do that. Between two lines the terminal is in its original
// mode, so that Ctrl-C interrupts a command that waits.
func NewEditor(out *term.Console, historyFile string, complete liner.WordCompleter) *Reader {
	if !liner.TerminalSupported() {
		return nil
	}
	original, err := liner.TerminalMode()
	if err != nil {
		return nil
	}
	view := newLineView(out)
	keys := openKeyboard(out.Out)
	editor := keys.newLiner() // switches the terminal to editing
	editing, err := liner.TerminalMode()
	if err != nil {
		_ = editor.Close()
		return nil
	}
	_ = original.ApplyMode()
	editor.SetCtrlCAborts(true)
	editor.SetMultiLineMode(wraps)
	editor.SetTabCompletionStyle(liner.TabPrints)
	editor.SetBeep(false)
	editor.SetWordCompleter(complete)
	h := &history{path: historyFile}
	for _, line := range h.load() {
		editor.AppendHistory(line)
	}
	read := func(prompt string) (string, error) {
		_ = editing.ApplyMode()
		keys.open()
		line, typed, err := view.reading(prompt, func() (string, error) { return editor.Prompt(prompt) })
		keys.close()
		_ = original.ApplyMode()
		if errors.Is(err, liner.ErrPromptAborted) {
			if typed {
				return "", ErrDiscarded
			}
			return "", term.ErrInterrupted
		}
		return typedText(line), err
	}
	keep := func(text string) {
		if line := Pasted(text); h.add(line) {
			editor.AppendHistory(line)
		}
	}
	return &Reader{
		read: read, keep: keep, out: out,
		line:  func(prompt string) editedLine { return view.with(prompt) },
		close: func() { keys.close(); _ = editor.Close() },
	}
}
