package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// startPatience is how long the disks of a command's directory and program may take to answer
// before it starts.
const startPatience = time.Minute

// maxDiskCalls is how many calls of Locate are in progress at a time. Each needs a thread, and
// a Go program ends if it has 10,000.
const maxDiskCalls = 1000

var diskCalls = make(chan struct{}, maxDiskCalls)

// Locate returns the directory that a command starts in and the file of a program, if one is
// named. A disk may never answer, such as a network disk whose server is gone: Locate returns a
// startError if patience is over, or the cause of ctx's end, and its goroutine waits on.
func Locate(ctx context.Context, spec Spec, program string, patience time.Duration) (dir, file string, err error) {
	type place struct {
		dir, file string
		err       error
	}
	waiting, stop := context.WithTimeoutCause(ctx, patience, noAnswer(&spec, program, patience))
	defer stop()
	select {
	case diskCalls <- struct{}{}:
	case <-waiting.Done():
		return spec.Dir, "", context.Cause(waiting)
	}
	found := make(chan place, 1)
	go func() {
		defer func() { <-diskCalls }()
		p := place{}
		if p.dir, p.err = directory(&spec); p.err == nil && program != "" {
			p.file, p.err = lookup(program, spec.Env, p.dir)
		}
		found <- p
	}()
	select {
	case p := <-found:
		return p.dir, p.file, p.err
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
