// Package process runs one command on this machine and accounts for all that the
// command leaves: its output, its end, and the processes that it started.
//
// Run starts a command and returns when it has ended. A command ends by itself, at
// its timeout, when ctx ends, or when Spec.Leave is closed. If it ends by itself,
// its background processes live on, and the Result counts them, unless
// Spec.KillLeftovers says that they end too. In all other cases Run ends everything
// that the command has started: it sends TERM, waits until all of it has ended or
// the grace time is over, and then kills until nothing is left. KillSurvivors does
// the same for a command whose agent was killed.
//
// What belongs to a command is found as follows, and only what is proved to belong
// to it is signaled (see tree):
//
//   - On Linux by the command's cgroup, where this program may make one, and by
//     descent, session and the mark in the environment. Reap makes orphans children
//     of this program, so that descent is known.
//   - On macOS by descent, session and process group.
//   - On Windows by the command's job object.
//
// A process can escape where there is neither a cgroup nor a job object: if it
// starts a session, clears its environment, and its parent ends. The Result counts
// it where no other command can have started it. What cannot be ended, such as
// another user's process, is in the Result too, with the reason.
//
// The goroutine that calls Run owns the command's state. Two readers, a waiter, and
// where there is need of them the writer of stdin, the caller of out and the
// goroutine that ends the command send to it or receive from it. All of them have
// ended when Run returns.
package process

import (
	"errors"
	"time"

	"warren/internal/agent/process/proctree"
)

// The names of a command's outputs.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// ChunkSize is the most bytes that one Chunk bears.
const ChunkSize = 32 << 10

// A Spec says what to run and within which limits.
type Spec struct {
	// Argv is the program and its arguments. A program without a slash is
	// looked for in the PATH of Env; a relative one is relative to Dir.
	Argv []string
	// Env is the whole environment, "NAME=value"; of a name given twice the
	// later counts. Nothing is inherited: the agent's own environment may hold
	// the broker's password. On Unix PWD is added where Dir is absolute.
	Env []string
	// Dir is the working directory; "" is the caller's own.
	Dir string
	// User is whom the command runs as; nil is the caller's own user. Another
	// needs a caller that may become it: root, on Unix.
	User *User
	// Stdin is what the command reads; empty is the null device.
	Stdin []byte
	// MaxOutput is how many bytes are kept of each stream: the first and the
	// last half. 0 keeps none, and counts them.
	MaxOutput int64
	// Timeout is how long the command may run; 0 is for ever.
	Timeout time.Duration
	// Grace lies between the request to end and the kill.
	Grace time.Duration
	// KillLeftovers ends what the command left behind when it exits by itself.
	// By default background processes live on.
	KillLeftovers bool
	// Mark is an entry of the environment, "NAME=value", that no other command
	// has. Everything that the command starts inherits it.
	Mark string
	// Leave, where given, is closed when the caller cannot wait any longer: then
	// the command is ended, and Run returns even if its leader could not be
	// (ErrStillRuns).
	Leave <-chan struct{}
}

// ErrCannotSwitch: this process cannot run a command as another user.
var ErrCannotSwitch = errors.New("this agent cannot switch users")

// ErrStillRuns: the command could not be ended, and the caller did not wait for
// its end.
var ErrStillRuns = errors.New("the command still runs")

// A Chunk is at most ChunkSize bytes of a stream at an offset in it. Data
// belongs to whom the chunk is given.
type Chunk struct {
	Stream string // Stdout or Stderr
	Offset int64
	Data   []byte
}

// An Account is the number of bytes that a stream produced, and how many of
// them, from the middle, were not kept.
type Account struct{ Size, Dropped int64 }

// An Identity tells a process from a later one with the same id.
type Identity = proctree.Identity

// A Process is one that outlives its command.
type Process = proctree.Process

// A Result is how a command ended. At most one of TimedOut and Canceled is
// set: this package ended the command, and the exit status, though given as it
// was, says nothing about it. A command that had ended by itself when its time
// was up or ctx ended is neither.
type Result struct {
	// Started is false where there was never a process: Err says why, or ctx
	// had ended before (Canceled).
	Started bool
	// Err is why the command could not be started. With Started it says that
	// its exit status was lost (another part of this program waited for it).
	Err error
	// ExitCode is -1 where there is none.
	ExitCode int
	// Signal is what ended the command: "SIGSEGV". Empty on Windows.
	Signal string

	TimedOut bool
	Canceled bool

	// Killed is how many processes this package ended, the leader included.
	Killed int
	// Left is what still lives when Run returns: after an exit of its own the
	// command's background processes, after a timeout or a cancel the processes
	// that could not be ended. It has at most proctree.MaxDescribed entries; LeftCount is the
	// true number.
	Left      []proctree.Process
	LeftCount int
	// StopError is why a request to end did not end the command, worded for an
	// outcome's reason: "process 812 (sleep) of root could not be signaled". It
	// is nil where no request was made and where it worked.
	StopError error

	StartedAt time.Time
	EndedAt   time.Time

	Stdout, Stderr Account
	// Rest is the kept output that was not given to out: each stream in the
	// order of offsets, stdout first.
	Rest []Chunk
	// HeldOpen tells that a process that lives on still had an output
	// open when reading ended, so that it may have printed more.
	HeldOpen bool
}
