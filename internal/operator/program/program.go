// Package program runs a program of the operator's machine: an upcall of a groups file,
// ansible-inventory, or a notify program. The program has a deadline, its output has a limit,
// and no process that it started in its process group, on Windows none that it started,
// outlives the call.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"warren/internal/hint"
	"warren/internal/textfile"
)

const (
	// maxOutput bounds standard output, in bytes: more than a million long host names.
	maxOutput = 64 << 20
	// maxStderr bounds how much of standard error is kept.
	maxStderr = 4 << 10
	// pipeDelay is how long a process that a program has left behind may hold its output.
	pipeDelay = time.Second
)

// A Command is a program with its arguments.
type Command struct {
	Words   []string
	Dir     string        // working directory; "" is that of this process
	Env     []string      // in addition to the environment of this process
	Input   []byte        // standard input
	Mute    bool          // standard output is thrown away
	Timeout time.Duration // after which the program is killed
}

// Run returns what the program prints on standard output, as text, and the end of what it
// prints on standard error. It is an error if the program does not exit with 0, prints more
// than the limit or something that is not text, or does not end in time.
func Run(ctx context.Context, c Command) (output, stderr string, err error) {
	timed, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	timed, stop := context.WithCancelCause(timed)
	defer stop(nil)
	cmd := exec.CommandContext(timed, c.Words[0], c.Words[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, append(os.Environ(), c.Env...), pipeDelay
	out := limited{most: maxOutput, full: func() { stop(errOutput) }}
	problems := tail{most: maxStderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Input), &out, &problems
	if c.Mute {
		cmd.Stdout = nil
	}
	err = runGroup(cmd)
	stderr = strings.TrimSpace(strings.ToValidUTF8(string(problems.kept), "\ufffd"))
	switch cause := context.Cause(timed); {
	case ctx.Err() != nil:
		return "", stderr, context.Cause(ctx)
	case errors.Is(cause, errTimeout):
		return "", stderr, fmt.Errorf("it has not ended within %s", c.Timeout)
	case cause != nil:
		return "", stderr, cause
	case errors.Is(err, exec.ErrWaitDelay):
		return "", stderr, errors.New("it has exited, but a process that it started still holds its output")
	case err != nil:
		return "", stderr, failure(err, stderr)
	}
	text, err := textfile.Decode(out.buffer.Bytes())
	if err != nil {
		return "", stderr, fmt.Errorf("its output is not text: %s", err.Error()) // without the hint about files
	}
	return string(text), stderr, nil
}

var (
	errTimeout = errors.New("timeout")
	errOutput  = fmt.Errorf("it prints more than %d MiB", maxOutput>>20)
)

// failure is the error of a program that could not be started or did not exit with 0.
func failure(err error, stderr string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch code := exit.ExitCode(); {
	case code < 0:
		return errors.New("it was ended by a signal")
	case stderr == "":
		return fmt.Errorf("it exited with %d", code)
	default:
		return fmt.Errorf("it exited with %d: %s", code, lastLine(stderr))
	}
}

// lastLine is where programs write why they give up.
func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// LookPath returns the path of a program. Its error has a hint if the program is missing.
func LookPath(name, missing string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", hint.Errorf(missing, "%s is not installed", name)
	}
	return path, nil
}

// A limited buffer calls full once it would have to hold more than most bytes.
type limited struct {
	buffer bytes.Buffer
	most   int
	full   func()
}

func (l *limited) Write(p []byte) (int, error) {
	if l.buffer.Len()+len(p) > l.most {
		l.full()
		return 0, errOutput
	}
	return l.buffer.Write(p)
}

// A tail keeps the last bytes.
type tail struct {
	kept []byte
	most int
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}
