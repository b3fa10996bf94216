package render

import (
	"bufio"
	"unicode/utf8"

	"warren/internal/operator/model"
	"warren/internal/textfile"
	"warren/repl/cli"
	"warren/repl/term"
)

type scriptDocument struct {
	ID            string         `json:"id"`
	Command       string         `json:"command"`
	Script        *model.Content `json:"script"`
	Content       *string        `json:"content,omitzero"` // or the next
	ContentBase64 []byte         `json:"content_base64,omitzero"`
}

// ScriptDocument prints the script of a task and its description as JSON.
func (p *Printer) ScriptDocument(task *model.Task, script []byte) error {
	d := scriptDocument{ID: task.ID, Command: task.Command, Script: task.Script}
	if utf8.Valid(script) {
		text := string(script)
		d.Content = &text
	} else {
		d.ContentBase64 = script
	}
	return cli.WriteJSON(p.out.Out, d)
}

// Script prints the script of a task: readable on a terminal, unchanged elsewhere.
func (p *Printer) Script(task *model.Task, script []byte) error {
	if !p.out.OutTerminal {
		p.out.Note("%s: %s, SHA-256 %s", term.Line(task.Command), term.Bytes(int64(task.Script.Bytes)), task.Script.SHA256)
		_, err := p.out.Out.Write(script)
		return err
	}
	if task.Script.FirstLine == nil {
		return cli.Usage("send it to a file or a pipe: … --script >file", "the script is a program, not text")
	}
	return p.Page(func(w *bufio.Writer) error {
		_, _ = w.WriteString(term.Text(textfile.ToUTF8(script)))
		if script[len(script)-1] != '\n' {
			_ = w.WriteByte('\n')
		}
		_, err := w.WriteString("\n" + term.Bytes(int64(task.Script.Bytes)) + ", SHA-256 " + task.Script.SHA256 + "\n")
		return err
	})
}
