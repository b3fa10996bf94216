package hint

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestHintsOfWrappedErrors(t *testing.T) {
	inner := Errorf("try again", "read %s: %w", "web01", io.ErrUnexpectedEOF)
	outer := &Error{Message: "check_task: " + inner.Error(), Hint: "ask an administrator", Err: inner}
	joined := errors.Join(fmt.Errorf("first: %w", outer), New("second", "try again"), New("third", ""))
	if got, want := Of(joined), []string{"ask an administrator", "try again"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(joined, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := outer.Error(); got != "check_task: read web01: unexpected EOF" {
		t.Errorf("the message is %q", got)
	}
}

func TestTextHasEachHintOnItsLine(t *testing.T) {
	err := fmt.Errorf("start: %w", New("no key", "run ssh-keygen"))
	if got, want := Text(err), "start: no key\nhint: run ssh-keygen"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Text(io.EOF); got != "EOF" {
		t.Errorf("got %q", got)
	}
	if First(io.EOF) != "" || Of(nil) != nil {
		t.Error("a hint where there is none")
	}
}
