package part

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"warren/internal/testlab/child"
)

// stopTime is how long a part may take to end after its standard input has.
const stopTime = 30 * time.Second

// A Part is a running part of a measurement. One goroutine uses it.
type Part struct {
	PID   int
	Known Known

	proc    *child.Process
	in      io.WriteCloser
	out     *os.File
	answers *bufio.Reader
	said    *strings.Builder // standard error; read once the part has ended
}

// Start starts a part and returns once it is ready, which it says by its first
// answer.
func Start(ctx context.Context, cmd *exec.Cmd) (*Part, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Part{in: in, out: r, answers: bufio.NewReader(r), said: new(strings.Builder)}
	cmd.Stdout, cmd.Stderr = w, p.said
	p.proc, err = child.Start(cmd)
	w.Close()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	p.PID = p.proc.PID
	ready, err := p.answer(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w", filepath.Base(cmd.Path), cmd.Args[1], err), p.Stop())
	}
	p.Known = ready.Known
	return p, nil
}

// Do gives an order and waits until it is carried out.
func (p *Part) Do(ctx context.Context, o Order) (Answer, error) {
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return Answer{}, p.explain(err)
	}
	return p.answer(ctx)
}

// answer waits for the next line; the end of ctx ends the part.
func (p *Part) answer(ctx context.Context) (Answer, error) {
	release := context.AfterFunc(ctx, func() { _ = p.proc.Kill() })
	line, err := p.answers.ReadBytes('\n')
	if !release() {
		return Answer{}, context.Cause(ctx)
	}
	if err != nil {
		return Answer{}, p.explain(err)
	}
	var a Answer
	if err := json.Unmarshal(line, &a); err != nil {
		return a, err
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// explain says what a part that has ended has said.
func (p *Part) explain(err error) error {
	_ = p.proc.Stop(stopTime)
	if said := strings.TrimSpace(p.said.String()); said != "" {
		return errors.New(said)
	}
	return fmt.Errorf("it has ended: %w", err)
}

// Usage is what the part has used so far.
func (p *Part) Usage(ctx context.Context) (Used, error) {
	a, err := p.Do(ctx, Order{Do: Usage})
	return a.Used, err
}

// Stop ends the part.
func (p *Part) Stop() error {
	_ = p.in.Close() // it may have ended by itself
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-p.proc.Done():
	case <-late.C:
	}
	return errors.Join(p.proc.Kill(), p.out.Close())
}
