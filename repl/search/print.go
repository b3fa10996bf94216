package search

import (
	"bufio"
	"fmt"
	"unicode/utf8"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// A printer prints matches.
type printer interface {
	begin()
	match(task *model.Task, m match) error
	end(s *searching) error
}

func (s *searching) newPrinter(w *bufio.Writer) printer {
	switch {
	case s.view.JSON:
		return &documentPrinter{recordPrinter: recordPrinter{w: w}}
	case s.view.JSONL:
		return &recordPrinter{w: w}
	}
	return &linePrinter{w: w, terminal: s.env.IO.OutTerminal, width: s.env.IO.Width()}
}

// A linePrinter prints lines for people.
type linePrinter struct {
	w        *bufio.Writer
	terminal bool
	width    int

	hosts []string // of the last line
	label string   // of these
}

func (p *linePrinter) begin()               {}
func (p *linePrinter) end(*searching) error { return nil }

func (p *linePrinter) match(task *model.Task, m match) error {
	if len(p.hosts) != len(m.hosts) || &p.hosts[0] != &m.hosts[0] { // lists are shared
		p.hosts, p.label = m.hosts, result.FoldShort(m.hosts, p.width/2)
	}
	text := m.text
	if p.terminal {
		text = []byte(term.Output(text))
	}
	_, err := fmt.Fprintf(p.w, "%s %s: %s\n", p.label, result.ShortID(task.ID), text)
	return err
}

// A recordPrinter prints the records of --jsonl.
type recordPrinter struct{ w *bufio.Writer }

type matchRecord struct {
	Type       string   `json:"type,omitzero"` // match; absent in a document
	Task       string   `json:"task"`
	Hosts      []string `json:"hosts"`
	Stream     string   `json:"stream"`
	Text       *string  `json:"text,omitzero"` // or the next
	DataBase64 []byte   `json:"data_base64,omitzero"`
}

type endRecord struct {
	Type       string `json:"type,omitzero"` // end; absent in a document
	Tasks      int    `json:"tasks"`         // that were searched
	Unsearched int64  `json:"unsearched"`    // bytes of output that are not stored
}

func describeMatch(typ string, task *model.Task, m match) matchRecord {
	r := matchRecord{Type: typ, Task: task.ID, Hosts: m.hosts, Stream: m.stream}
	if utf8.Valid(m.text) {
		text := string(m.text)
		r.Text = &text
	} else {
		r.DataBase64 = m.text
	}
	return r
}

func (p *recordPrinter) begin() {}

func (p *recordPrinter) match(task *model.Task, m match) error {
	return cli.WriteJSON(p.w, describeMatch("match", task, m))
}

func (p *recordPrinter) end(s *searching) error {
	return cli.WriteJSON(p.w, endRecord{"end", s.searched, s.unsearched})
}

// A documentPrinter prints the document of --json, a match on each line.
type documentPrinter struct {
	recordPrinter
	any bool
}

func (p *documentPrinter) begin() { _, _ = p.w.WriteString(`{"matches":[`) }

func (p *documentPrinter) match(task *model.Task, m match) error {
	text, err := cli.EncodeJSON(describeMatch("", task, m))
	if err != nil {
		return err
	}
	if p.any {
		_ = p.w.WriteByte(',')
	}
	p.any = true
	_ = p.w.WriteByte('\n')
	_, err = p.w.Write(text)
	return err
}

func (p *documentPrinter) end(s *searching) error {
	text, err := cli.EncodeJSON(endRecord{"", s.searched, s.unsearched})
	if err != nil {
		return err
	}
	_, _ = p.w.WriteString("\n],")
	_, err = p.w.Write(append(text[1:], '\n'))
	return err
}
