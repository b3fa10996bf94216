package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// startPatience is how long the disks of a command's directory and program may take to answer
// before it starts.
const startPatience = time.Minute

// maxLookups is how many calls of Locate are in progress at a time. Each may need a thread, and a Go
// program ends if it has 10,000.
const maxLookups = 1000

// lookups are the calls of Locate in progress, with those that nobody waits for any more.
var lookups = pendingLookups{calls: make(chan struct{}, maxLookups), since: map[place]map[int]time.Time{}}

// A place is where a command starts: what Locate asks the disks for.
type place struct{ dir, program string }

// pendingLookups counts what the disks are asked for. Any goroutine may use it.
type pendingLookups struct {
	calls chan struct{} // holds a value for each call

	mu    sync.Mutex
	since map[place]map[int]time.Time // by a number for each call
	last  int
}

// begin notes a call, unless one for the same place has had no answer for startPatience: one that
// waits in vain is enough.
func (l *pendingLookups) begin(p place) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, began := range l.since[p] {
		if time.Since(began) > startPatience {
			return nil, false
		}
	}
	if l.since[p] == nil {
		l.since[p] = map[int]time.Time{}
	}
	l.last++
	n := l.last
	l.since[p][n] = time.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(l.since[p], n); len(l.since[p]) == 0 {
			delete(l.since, p)
		}
	}, true
}

// Locate returns the directory that a command starts in and the file of a program, if one is
// named, or a startError if they do not fit the arguments of spec. A disk may never answer, such
// as a network disk whose server is gone: Locate returns a startError if patience is over, or the
// cause of ctx's end, and its goroutine waits on.
func Locate(ctx context.Context, spec Spec, program string, patience time.Duration) (dir, file string, err error) {
	type result struct {
		dir, file string
		err       error
	}
	waiting, stop := context.WithTimeoutCause(ctx, patience, noAnswer(&spec, program, patience))
	defer stop()
	select {
	case lookups.calls <- struct{}{}:
	case <-waiting.Done():
		return spec.Dir, "", context.Cause(waiting)
	}
	end, ok := lookups.begin(place{spec.Dir, program})
	if !ok {
		<-lookups.calls
		return spec.Dir, "", noAnswer(&spec, program, startPatience)
	}
	found := make(chan result, 1)
	go func() {
		defer func() { <-lookups.calls }()
		defer end()
		r := result{}
		if r.dir, r.err = directory(&spec); r.err == nil && program != "" {
			r.file, r.err = lookup(program, spec.Env, r.dir)
		}
		if r.err == nil {
			r.dir, r.err = cmdDirectory(runtime.GOOS, r.file, r.dir, spec.DirOrRoot)
		}
		if word := unsafeBatchArg(runtime.GOOS, r.file, spec.Argv); r.err == nil && word != "" {
			r.err = startErrorf(fs.ErrInvalid, "cannot pass %q to a batch file: cmd.exe would change it, or run a part of it as a command", word)
		}
		found <- r
	}()
	select {
	case r := <-found:
		return r.dir, r.file, r.err
	case <-waiting.Done():
		return spec.Dir, "", context.Cause(waiting)
	}
}

func noAnswer(spec *Spec, program string, patience time.Duration) error {
	if program == "" {
		return startErrorf(os.ErrDeadlineExceeded, "directory %q: the disk has not answered for %v", spec.Dir, patience)
	}
	return startErrorf(os.ErrDeadlineExceeded, "directory %q or program %q: the disk has not answered for %v", spec.Dir, program, patience)
}

// directory returns the directory that a command starts in, or a startError.
func directory(spec *Spec) (string, error) {
	dir := spec.Dir
	info, err := os.Stat(dir)
	switch {
	case spec.DirOrRoot && (dir == "" || err != nil):
		return string(os.PathSeparator), nil
	case dir == "":
		return "", nil
	case errors.Is(err, fs.ErrNotExist):
		return dir, startErrorf(err, "no such directory %q", dir)
	case errors.Is(err, fs.ErrPermission):
		return dir, startErrorf(err, "permission denied: directory %q", dir)
	case err != nil:
		return dir, startErrorf(err, "directory %q: %v", dir, rootCause(err))
	case !info.IsDir():
		return dir, startErrorf(fs.ErrInvalid, "not a directory: %q", dir)
	case !spec.User.switches() && !canEnter(dir): // otherwise the start itself reports the error
		return dir, startErrorf(fs.ErrPermission, "permission denied: cannot enter directory %q", dir)
	}
	return dir, nil
}

// cmdDirectory returns the directory that the program starts in. cmd.exe cannot use one whose
// path begins with two slashes, such as a share: it would run the command in C:\Windows.
func cmdDirectory(goos, program, dir string, orRoot bool) (string, error) {
	switch {
	case goos != "windows" || shellName(goos, program) != "cmd" && !isBatchFile(program):
		return dir, nil
	case len(dir) < 2 || strings.Trim(dir[:2], `\/`) != "":
		return dir, nil
	case orRoot:
		return `\`, nil
	}
	return dir, startErrorf(fs.ErrInvalid, "cmd.exe cannot use %q as its directory; use pushd in the command, or --shell powershell", dir)
}
