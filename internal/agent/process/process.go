// Package process runs one command on this machine and accounts for everything that
// the command leaves: its output, its end, and the processes that it started.
//
// Run starts a command and returns when it has ended. A command ends by itself, at its
// timeout, when ctx ends, or when Spec.Leave is closed. If it ends by itself, its
// background processes continue, and the Result counts them, unless Spec.KillLeftovers
// is set. In all other cases Run ends everything that the command has started: it
// sends TERM, waits until all processes have ended or the grace time is over, and then
// kills the rest. KillSurvivors does the same for a command whose agent was killed.
//
// This package signals only processes that verifiably belong to the command (see
// proctree.Tree):
//
//   - On Linux it uses the command's cgroup, if this program may create one, and
//     descent, session and the mark in the environment. Reap makes orphans children
//     of this program, so that their descent is known.
//   - On macOS it uses descent, session and process group.
//   - On Windows it uses the command's job object.
//
// Without a cgroup or a job object a process can escape if it starts a session, clears
// its environment, and its parent ends. The Result counts it if no other command can
// have started it. The Result also has the processes that could not be ended, such as
// those of another user, with the reason.
//
// The goroutine that calls Run owns the command's state. Its helpers are two readers,
// a waiter, and if necessary a writer of stdin, a caller of out, and a goroutine that
// ends the command. All of them have ended when Run returns.
package process

import (
	"context"
	"errors"
	"io"
	"time"

	"warren/internal/agent/process/proctree"
)

// Names of a command's output streams.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// ChunkSize is the maximum size of a Chunk.
const ChunkSize = 32 << 10

// A Spec describes a command and its limits.
type Spec struct {
	// Argv is the program and its arguments. A program without a slash is searched in the
	// PATH of Env. A relative one is relative to Dir.
	Argv []string
	// Env is the whole environment, as "NAME=value". If a name repeats, the last value
	// applies. The command inherits nothing, because the agent's own environment may hold
	// the broker's password. On Unix, Run adds PWD if Dir is absolute.
	Env []string
	// Dir is the working directory. If it is empty, the command uses the caller's.
	Dir string
	// DirOrRoot means that the command uses the root directory if Dir is empty or cannot be read.
	DirOrRoot bool
	// User is the account that the command runs as, or nil for the caller's own. On Unix,
	// only root can use another account.
	User *User
	// Stdin is the command's standard input. If it is empty, the command reads the null
	// device.
	Stdin []byte
	// Input, unless it is nil, writes more standard input after Stdin. It runs in a goroutine
	// of its own. It must return when ctx ends, which is when the command has ended, and when
	// w fails.
	Input func(ctx context.Context, w io.Writer)
	// MaxOutput is how many bytes of each stream are kept: the first half and the last
	// half. 0 keeps none and only counts them.
	MaxOutput int64
	// KeepStart keeps the first MaxOutput bytes instead. They are passed on as they come,
	// and none wait in memory.
	KeepStart bool
	// Timeout limits how long the command may run. 0 means no limit.
	Timeout time.Duration
	// Grace is the time between TERM and KILL.
	Grace time.Duration
	// KillLeftovers ends the processes that the command leaves when it exits by itself. By
	// default they continue.
	KillLeftovers bool
	// Mark is an environment entry, "NAME=value", that only this command has. All
	// processes that the command starts inherit it.
	Mark string
	// Leave may be nil. When the caller closes it, Run ends the command and returns even
	// if it could not end the leader (ErrStillRuns).
	Leave <-chan struct{}
}

// ErrCannotSwitch means that this process cannot run a command as another user.
var ErrCannotSwitch = errors.New("this agent cannot switch users")

// ErrStillRuns means that the command could not be ended, and that the caller did not
// wait for its end.
var ErrStillRuns = errors.New("the command still runs")

// A Chunk is at most ChunkSize bytes of a stream. The receiver owns Data.
type Chunk struct {
	Stream string // Stdout or Stderr
	Offset int64
	Data   []byte
}

// An Account counts the bytes that a stream produced, and how many of them, from the
// middle, were not kept.
type Account struct{ Size, Dropped int64 }

// An Identity distinguishes a process from a later one with the same id.
type Identity = proctree.Identity

// A Process is a process that outlives its command.
type Process = proctree.Process

// A Result describes the end of a command. At most one of TimedOut and Canceled is
// set: it means that this package ended the command. Then the exit status is the real
// one but says nothing about the command. Neither is set if the command had already
// ended by itself at its timeout or at the end of ctx.
type Result struct {
	// Started is false if no process was created: then Err has the reason, or ctx had
	// already ended (Canceled).
	Started bool
	// Err explains why the command could not be started. If Started is true, it means that
	// the exit status was lost because another part of this program waited for the
	// process.
	Err error
	// ExitCode is -1 if there is none.
	ExitCode int
	// Signal is the signal that ended the command, such as "SIGSEGV". It is empty on
	// Windows.
	Signal string

	TimedOut bool
	Canceled bool

	// Killed counts the processes that this package ended, including the leader.
	Killed int
	// Left lists the processes that are alive when Run returns: after a normal exit the
	// command's background processes, after a timeout or a cancel the processes that could
	// not be ended. It has at most proctree.MaxDescribed entries. LeftCount is the true
	// number.
	Left      []proctree.Process
	LeftCount int
	// StopError explains why the command could not be ended, worded for an outcome's
	// reason: "process 812 (sleep) of root could not be signaled". It is nil if there was
	// no attempt, or if it succeeded.
	StopError error

	StartedAt time.Time
	EndedAt   time.Time

	Stdout, Stderr Account
	// Rest is the kept output that out did not receive: stdout first, each stream in the
	// order of offsets.
	Rest []Chunk
	// HeldOpen means that a background process still had an output open when Run stopped
	// reading, so it may have printed more.
	HeldOpen bool
}
