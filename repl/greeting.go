package repl

import (
	"context"

	"warren/repl/target"
)

// A greeting is what the prompt prints about the hosts that are online.
type greeting struct{ online, first string }

// greet asks in the background which hosts are online, and delivers the greeting in the
// channel. The prompt prints it while it reads a line, so that it does not come between the
// output of a command. Stop ends the question.
func (p *prompt) greet(ctx context.Context) (stop func()) {
	if !p.interactive() {
		return func() {}
	}
	greetings := make(chan greeting, 1)
	p.s.greetings = greetings
	if p.s.env.Engine.NeedsTouch() {
		greetings <- greeting{first: "hosts lists the hosts that are online; help lists the commands"}
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	fleet := p.s.env.InFleet()
	go func() {
		defer close(done)
		online, first, err := target.Greeting(ctx, p.s.env.Store, p.s.env.Engine, fleet)
		if err == nil {
			greetings <- greeting{online, first}
		}
	}()
	return func() { cancel(); <-done }
}

// printGreeting prints the greeting above the line that is being edited.
func (a announcer) printGreeting(g greeting) {
	a.s.greetings = nil
	if g.online != "" {
		a.s.env.Note("%s", g.online)
	}
	a.s.env.Note("%s", g.first)
}
