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

// startError is a failed start in the words of whom it concerns.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return e.text }
func (e *startError) Unwrap() error { return e.err }

func failure(err error, format string, args ...any) error {
	return &startError{fmt.Sprintf(format, args...), err}
}

// launch starts the command. Its error is a startError or ctx's.
func launch(ctx context.Context, spec Spec) (*leader, *pipes, error) {
	if err := check(spec); err != nil {
		return nil, nil, err
	}
	program, err := lookup(spec.Argv[0], spec.Env, spec.Dir)
	if err != nil {
		return nil, nil, err
	}
	if word := batchWord(runtime.GOOS, program, spec.Argv[1:]); word != "" {
		return nil, nil, failure(fs.ErrInvalid, "cannot pass %q to the batch file %q: cmd.exe would take a part of it for a command of its own", word, spec.Argv[0])
	}
	for busy := time.Now().Add(busyFor); ; {
		l, p, err := start(program, spec)
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(busy) {
			return l, p, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(busyPause):
		}
	}
}

// A script that was written a moment ago is "busy" (ETXTBSY) while another
// command of ours stands between its fork and its exec with the descriptor
// that wrote it (go.dev/issue/22315). That passes in milliseconds.
const (
	busyFor   = time.Second
	busyPause = 5 * time.Millisecond
)

func start(program string, spec Spec) (*leader, *pipes, error) {
	cmd := &exec.Cmd{
		Path: program,
		Args: spec.Argv,
		Env:  environ(spec),
		Dir:  spec.Dir,
	}
	p, err := attach(cmd, len(spec.Stdin) > 0, spec.User)
	if err != nil {
		return nil, nil, failure(err, "cannot make a pipe: %v", root(err))
	}
	l, err := startLeader(cmd, spec)
	if err != nil {
		p.close()
		return nil, nil, explain(err, program, spec)
	}
	p.closeTheirs()
	return l, p, nil
}

// environ is never nil: for os/exec that means to inherit.
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

// check refuses what no system can start.
func check(spec Spec) error {
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return failure(fs.ErrInvalid, "no command is given")
	}
	for _, list := range [][]string{spec.Argv, spec.Env, {spec.Dir, spec.Mark}} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return failure(fs.ErrInvalid, "NUL byte in %q", s)
			}
		}
	}
	if spec.Dir == "" {
		return nil
	}
	info, err := os.Stat(spec.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failure(err, "no such directory %q", spec.Dir)
	case errors.Is(err, fs.ErrPermission):
		return failure(err, "permission denied: directory %q", spec.Dir)
	case err != nil:
		return failure(err, "directory %q: %v", spec.Dir, root(err))
	case !info.IsDir():
		return failure(fs.ErrInvalid, "not a directory: %q", spec.Dir)
	case !spec.User.switches() && !canEnter(spec.Dir): // else its own start tells
		return failure(fs.ErrPermission, "permission denied: cannot enter directory %q", spec.Dir)
	}
	return nil
}

// lookup finds the file that name stands for as a shell with this environment
// would; os/exec would search this program's own PATH. A relative entry of PATH
// is passed over, as os/exec does.
func lookup(name string, env []string, dir string) (string, error) {
	if filepath.Base(name) != name {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		path, err := filepath.Abs(path) // "x" alone would be looked for in PATH
		if err != nil {
			return "", missing(err, name)
		}
		found, err := exec.LookPath(path)
		return found, missing(err, name)
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
		return "", missing(denied, name)
	}
	return "", missing(exec.ErrNotFound, name)
}

// missing says why a program was not found.
func missing(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return failure(err, "permission denied: %q is not executable", name)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return failure(err, "no such command %q", name)
	default:
		return failure(err, "cannot execute %q: %v", name, root(err))
	}
}

// explain says why a program that is there could not be started.
func explain(err error, program string, spec Spec) error {
	name := spec.Argv[0]
	switch {
	case errors.Is(err, syscall.E2BIG):
		return failure(err, "the command is too long for this system; send it as a script, or its data on standard input")
	case errors.Is(err, syscall.ENOEXEC):
		return failure(err, "cannot execute %q: neither a program for this machine nor a script with a #! line", name)
	case errors.Is(err, syscall.ETXTBSY):
		return failure(err, "cannot execute %q: it is open for writing", name)
	case errors.Is(err, syscall.EAGAIN):
		return failure(err, "cannot start %q: this host permits no more processes (ulimit -u, TasksMax, pids.max)", name)
	case errors.Is(err, fs.ErrNotExist):
		if interpreter := interpreterOf(program); interpreter != "" {
			return failure(err, "no such interpreter %q, which the first line of %q names", interpreter, name)
		}
		return failure(err, "no such command %q", name)
	case errors.Is(err, syscall.EPERM) && spec.User.switches():
		return failure(err, "this agent cannot become user %q: it lacks the rights of root", spec.User.Name)
	case errors.Is(err, fs.ErrPermission) && spec.User.switches():
		return failure(err, "permission denied: user %q cannot execute %q, or cannot enter directory %q", spec.User.Name, name, spec.Dir)
	case errors.Is(err, fs.ErrPermission):
		return failure(err, "permission denied: %q cannot be executed", name)
	default:
		return failure(err, "cannot start %q: %v", name, root(err))
	}
}

// interpreterOf is the program in a script's first line, or "". A carriage
// return at its end, from a file with DOS line ends, is part of the name to the
// kernel, so it is to be seen in the message.
func interpreterOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256) // the kernel looks no further (execve(2))
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

// root is the system's own word of an error that os and os/exec wrapped.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
