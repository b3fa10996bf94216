package repl

import (
	"errors"
	"os"

	"github.com/peterh/liner"
)

// newLineEditor opens the line editor on the process's terminal, nil where the
// terminal cannot do that. Between two lines the terminal is in its original
// mode, so that Ctrl-C interrupts a command that waits.
func newLineEditor(h *history, complete liner.WordCompleter) *lineReader {
	if !liner.TerminalSupported() {
		return nil
	}
	original, err := liner.TerminalMode()
	if err != nil {
		return nil
	}
	editor := liner.NewLiner() // switches the terminal to editing
	editing, err := liner.TerminalMode()
	if err != nil {
		_ = editor.Close()
		return nil
	}
	_ = original.ApplyMode()
	editor.SetCtrlCAborts(true)
	editor.SetTabCompletionStyle(liner.TabPrints)
	editor.SetBeep(false)
	editor.SetWordCompleter(complete)
	for _, line := range h.load() {
		editor.AppendHistory(line)
	}
	read := func() (string, error) {
		_ = editing.ApplyMode()
		line, err := editor.Prompt(promptText)
		_ = original.ApplyMode()
		if errors.Is(err, liner.ErrPromptAborted) {
			return "", errInterrupted
		}
		if err == nil && h.add(line) {
			editor.AppendHistory(line)
		}
		return line, err
	}
	return &lineReader{read: read, close: func() { _ = editor.Close() }, terminal: os.Stdout}
}
