package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// startError is a failed start. Its text is for the operator.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return e.text }
func (e *startError) Unwrap() error { return e.err }

func startErrorf(err error, format string, args ...any) error {
	return &startError{fmt.Sprintf(format, args...), err}
}

// launch starts the command. It returns a startError or the cause of ctx's end.
func launch(ctx context.Context, spec Spec) (*leader, *pipes, error) {
	if err := validate(spec); err != nil {
		return nil, nil, err
	}
	patience := startPatience
	if spec.Timeout > 0 {
		patience = min(patience, spec.Timeout)
	}
	dir, program, err := Locate(ctx, spec, spec.Argv[0], patience)
	if err != nil {
		return nil, nil, err
	}
	spec.Dir = dir
	if err := checkLength(runtime.GOOS, spec.Argv); err != nil {
		return nil, nil, err
	}
	for busy := time.Now().Add(textBusyTimeout); ; {
		l, p, err := start(program, spec)
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(busy) {
			return l, p, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(textBusyInterval):
		}
	}
}

// A script that was written a moment ago is "busy" (ETXTBSY) while another command of
// this program is between its fork and its exec and holds the descriptor that wrote
// the script (go.dev/issue/22315). That lasts milliseconds.
const (
	textBusyTimeout  = time.Second
	textBusyInterval = 5 * time.Millisecond
)

func start(program string, spec Spec) (*leader, *pipes, error) {
	cmd := &exec.Cmd{
		Path: program,
		Args: spec.Argv,
		Env:  environ(spec),
		Dir:  spec.Dir,
	}
	p, err := openPipes(cmd, len(spec.Stdin) > 0 || spec.Input != nil, spec.Input != nil, spec.User)
	if err != nil {
		return nil, nil, startErrorf(err, "cannot make a pipe: %v", rootCause(err))
	}
	l, err := startLeader(cmd, spec)
	if err != nil {
		p.close()
		return nil, nil, explainStartError(err, program, spec)
	}
	p.closeChildEnds()
	return l, p, nil
}

// environ never returns nil, because os/exec then inherits this program's environment.
func environ(spec Spec) []string {
	env := MergeEnv([]string{}, spec.Env)
	if spec.Mark != "" {
		env = MergeEnv(env, []string{spec.Mark})
	}
	if filepath.IsAbs(spec.Dir) && setsPWD {
		env = MergeEnv(env, []string{"PWD=" + spec.Dir})
	}
	return env
}

// validate refuses a Spec that no system can start.
func validate(spec Spec) error {
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return startErrorf(fs.ErrInvalid, "no command is given")
	}
	for _, list := range [][]string{spec.Argv, spec.Env, {spec.Dir, spec.Mark}} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return startErrorf(fs.ErrInvalid, "NUL byte in %q", s)
			}
		}
	}
	return nil
}

// lookup finds a command's program as a shell with the environment env would, from the
// directory dir; os/exec would search this program's own PATH. Like os/exec, it ignores
// relative entries of PATH. The text of an error is for the operator.
func lookup(name string, env []string, dir string) (string, error) {
	if filepath.Base(name) != name {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		path, err := filepath.Abs(path) // LookPath would search PATH for "x" alone
		if err != nil {
			return "", lookupError(err, name)
		}
		found, err := exec.LookPath(path)
		return found, lookupError(err, name)
	}
	var denied error
	for _, entry := range filepath.SplitList(lookupEnv(env, "PATH")) {
		if !filepath.IsAbs(entry) {
			continue
		}
		found, err := exec.LookPath(filepath.Join(entry, name))
		if err == nil {
			return found, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			denied = err
		}
	}
	if denied != nil {
		return "", lookupError(denied, name)
	}
	return "", lookupError(exec.ErrNotFound, name)
}

// lookupError explains why a program was not found.
func lookupError(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return startErrorf(err, "permission denied: %q is not executable", name)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return startErrorf(err, "no such command %q", name)
	default:
		return startErrorf(err, "cannot execute %q: %v", name, rootCause(err))
	}
}

// errLongName is ERROR_FILENAME_EXCED_RANGE of Windows, which also means that a command line
// is too long.
const errLongName = syscall.Errno(206)

// explainStartError explains why an existing program could not be started.
func explainStartError(err error, program string, spec Spec) error {
	name := spec.Argv[0]
	switch {
	case errors.Is(err, syscall.E2BIG), runtime.GOOS == "windows" && errors.Is(err, errLongName):
		return startErrorf(err, "the command is too long for this system; send it as a script, or its data on standard input")
	case errors.Is(err, syscall.ENOEXEC):
		return startErrorf(err, "cannot execute %q: neither a program for this machine nor a script with a #! line", name)
	case errors.Is(err, syscall.ETXTBSY):
		return startErrorf(err, "cannot execute %q: it is open for writing", name)
	case errors.Is(err, syscall.EAGAIN):
		return startErrorf(err, "cannot start %q: this host permits no more processes (ulimit -u, TasksMax, pids.max)", name)
	case errors.Is(err, fs.ErrNotExist):
		if interpreter := interpreterOf(program); interpreter != "" {
			return startErrorf(err, "no such interpreter %q, which the first line of %q names", interpreter, name)
		}
		return startErrorf(err, "no such command %q", name)
	case errors.Is(err, syscall.EPERM) && spec.User.switches():
		return startErrorf(err, "this agent cannot switch to user %q: it needs root privileges", spec.User.Name)
	case errors.Is(err, fs.ErrPermission) && spec.User.switches():
		return startErrorf(err, "permission denied: user %q cannot execute %q, or cannot enter directory %q", spec.User.Name, name, spec.Dir)
	case errors.Is(err, fs.ErrPermission):
		return startErrorf(err, "permission denied: %q cannot be executed", name)
	default:
		return startErrorf(err, "cannot start %q: %v", name, rootCause(err))
	}
}

// interpreterOf returns the interpreter in a script's first line, or "". If the file
// has DOS line ends, the kernel takes the carriage return as part of the name, so the
// message shows it.
func interpreterOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256) // the kernel reads no more (execve(2))
	n, _ := io.ReadFull(f, head)
	return interpreter(head[:n])
}

func interpreter(content []byte) string {
	line, ok := bytes.CutPrefix(content, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	line = bytes.Trim(line, " \t")
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		line = line[:i]
	}
	return string(line)
}

// rootCause returns the system error that os and os/exec wrapped.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
