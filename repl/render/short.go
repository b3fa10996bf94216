package render

import (
	"bufio"
	"bytes"
	"context"
	"errors"

	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// errTooLong ends a report that is longer than a short one may be.
var errTooLong = errors.New("too long")

// Short returns the results of the jobs, with the hints about them if hints is true, or nil if
// they take more rows of the terminal than most; 0 is any number.
func (p *Printer) Short(ctx context.Context, v *result.View, task model.Task, jobs []model.Job, most int, hints bool) ([]byte, error) {
	if err := p.sums(ctx, v, task, jobs); err != nil {
		return nil, err
	}
	short := &shortText{columns: p.out.Width(), most: most}
	w := bufio.NewWriter(short)
	err := p.writeBlocks(ctx, w, v, &task, v.Fold(jobs))
	if hints && err == nil {
		p.WriteHints(w, task, jobs)
	}
	if err == nil {
		err = w.Flush()
	}
	if errors.Is(err, errTooLong) {
		return nil, nil
	}
	return bytes.TrimLeft(short.text, "\n"), err
}

// A shortText keeps text until that takes more rows than most; 0 is any number.
type shortText struct {
	text    []byte
	columns int
	most    int
}

func (s *shortText) Write(text []byte) (int, error) {
	s.text = append(s.text, text...)
	if s.most == 0 {
		return len(text), nil
	}
	rows := 0
	for line := range bytes.Lines(s.text) {
		rows++
		if s.columns > 0 {
			rows += max(0, term.Width(string(bytes.TrimRight(line, "\n")))-1) / s.columns
		}
		if rows > s.most {
			return 0, errTooLong
		}
	}
	return len(text), nil
}
