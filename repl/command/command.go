package command

import (
	"context"
	"errors"
)

// A Command is one line at the prompt, or one call from the shell. The tags of its
// struct are its flags; Help, if it has that method, returns its details.
type Command interface {
	// Run executes the command. Its error has the text to print and the exit status.
	Run(ctx context.Context, env *Env) error
}

// ErrExit ends the prompt.
var ErrExit = errors.New("exit")
