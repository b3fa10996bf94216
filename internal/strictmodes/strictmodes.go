// Package strictmodes checks that nobody but root and this process's user can
// have written a file, by the rule of sshd's StrictModes. Whatever an agent reads
// before it trusts anybody goes through it. It keeps nothing and starts nothing.
//
// The rule: the file, and each directory that leads to it, belongs to root or to
// this user, and neither group nor others may write it. Symbolic links are
// followed, and each directory on their way is held to the same rule. A sticky
// directory, as /tmp is, may be written by anybody, where what is used of it is a
// directory that satisfies the rule in its turn: nobody else can rename or link a
// directory there.
//
// On Windows nothing is checked: access control lists say there who may write.
package strictmodes

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/kballard/go-shellquote"
)

// A Problem is what is wrong with a file or a directory.
type Problem int

// The problems.
const (
	Owner    Problem = iota + 1 // it belongs to somebody else
	Writable                    // group or others may write it
	Shared                      // it lies in a directory where everybody may make files
	Linked                      // it has another name, by which others may know it
)

// An Error says which file or directory others could have written.
type Error struct {
	Path    string // the one that is at fault: the file, or a directory on the way to it
	Problem Problem
	UID     uint32      // with Owner
	Mode    fs.FileMode // with Writable and Shared: the permission bits
	Dir     bool        // Path is a directory
}

func (e *Error) Error() string {
	switch e.Problem {
	case Owner:
		return fmt.Sprintf("%s%s belongs to user id %d, not to root or to the agent's user", e.kind(), e.Path, e.UID)
	case Shared:
		return fmt.Sprintf("anybody may create files in the directory %s (mode %04o)", e.Path, e.Mode)
	case Linked:
		return fmt.Sprintf("%s has another hard link, by which others may have written it", e.Path)
	}
	return fmt.Sprintf("others may write %s%s (mode %04o)", e.kind(), e.Path, e.Mode)
}

// ErrorHint is the command that mends it.
func (e *Error) ErrorHint() string {
	path := shellquote.Join(e.Path)
	switch {
	case e.Problem == Shared:
		return "move the file into a directory of its own, which only its owner may write"
	case e.Problem == Linked:
		return "if you know what is in it: cp -p " + path + " " + path + ".new && mv " + path + ".new " + path
	case e.Problem == Writable && e.Dir:
		return "chmod go-w " + path + ", and look at what others may have put there"
	case e.Problem == Writable:
		return "look at what is in it, then: chmod go-w " + path
	case e.Dir:
		return fmt.Sprintf("chown %s %s, or use another directory", owner(), path)
	}
	return fmt.Sprintf("look at what is in it, then: chown %s %s", owner(), path)
}

func (e *Error) kind() string {
	if e.Dir {
		return "the directory "
	}
	return ""
}

// owner is who a file should belong to, as chown takes it.
func owner() string {
	if uid := os.Geteuid(); uid > 0 {
		return fmt.Sprint(uid)
	}
	return "root:root"
}

// Open opens a regular file for reading that satisfies the rule. It does not wait
// for the other end of a pipe.
func Open(path string) (*os.File, error) {
	if _, err := Stat(path); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	default:
		err = check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

type constError string

func (e constError) Error() string { return string(e) }

const errIrregular = constError("it is not a regular file")
