package repl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/lineedit"
	"warren/repl/notification"
	"warren/repl/render"
	"warren/repl/term"
)

// A session is the state of one Main; only its goroutine touches it. Commands see it
// as Session.
type session struct {
	env        *command.Env
	interrupts interrupts
	opened     chan command.Engine // Env.Engine, for close; capacity 1: it is opened once

	lines     *lineedit.Reader  // of the prompt; nil in the shell form
	link      linkNotices       // about the broker
	rollouts  render.RolloutLog // events that have been printed
	greetings <-chan greeting   // capacity 1: one is sent; nil once it is printed
	submitted []string          // tasks whose end the prompt has not announced
	notifier  *notification.Notifier
	hurry     bool // a second Ctrl-C was pressed: close waits for nothing
}

// open starts the rest of the process with opener, and keeps the engine for close.
func (s *session) open(opener command.Opener) command.Opener {
	return func(ctx context.Context, settings cli.Settings, interactive bool) (command.Engine, error) {
		engine, err := opener(ctx, settings, interactive)
		if err == nil {
			s.opened <- engine
		}
		return engine, err
	}
}

func newSession(out *term.Console, open command.Opener, i interrupts) *session {
	s := &session{interrupts: i, opened: make(chan command.Engine, 1)}
	s.notifier = notification.New(out)
	s.env = &command.Env{IO: out, Session: s, Open: s.open(open)}
	out.Paged = s.interrupts.drain
	return s
}

// Submitted implements Session.
func (s *session) Submitted(task string) {
	if !slices.Contains(s.submitted, task) {
		s.submitted = append(s.submitted, task)
	}
}

// Seen implements Session.
func (s *session) Seen(task string) {
	s.submitted = slices.DeleteFunc(s.submitted, func(id string) bool { return id == task })
}

// Notify implements Session.
func (s *session) Notify(task string, program []string) {
	if program != nil {
		s.notifier.Start(s.env.Store, task, program)
	}
}

// Question implements Session: at the prompt through its line editor, from the shell
// on standard input.
func (s *session) Question(ctx context.Context, prompt string) (string, error) {
	lines := s.lines
	if lines == nil {
		terminal := s.env.IO.Err
		if !s.env.IO.ErrTerminal {
			terminal = s.env.IO.Out
		}
		lines = lineedit.NewPlainReader(s.env.IO.In, terminal, s.env.IO)
	}
	if !lines.ShowsPrompt() { // commands that are typed, while standard output is elsewhere
		fmt.Fprint(s.env.IO.Err, prompt)
	}
	answer, err := lines.Next(ctx, s.interrupts.signals, prompt)
	if errors.Is(err, term.ErrInterrupted) {
		s.interrupts.ended++
	}
	return answer, err
}
