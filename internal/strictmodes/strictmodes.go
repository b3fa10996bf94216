// Package strictmodes checks that only root and this process's user could have written
// a file, by the rule of sshd's StrictModes. An agent reads all its files through this
// package.
//
// The rule: the file, and each directory in its path, belongs to root or to this user,
// and neither group nor others may write it. Symbolic links are followed, and the rule
// applies to each directory in their paths too. A sticky directory such as /tmp may be
// writable by anybody if the next path element is a directory that satisfies the rule:
// no other user can rename or link a directory there.
//
// On Windows, the owner and the access control list decide instead: only SYSTEM, the
// Administrators, TrustedInstaller and this user may own or write the file, or replace a
// directory in its path.
package strictmodes

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/kballard/go-shellquote"
)

// A Problem is a violation of the rule.
type Problem int

const (
	Owner    Problem = iota + 1 // it belongs to another user
	Writable                    // group or others may write it
	Shared                      // it is in a directory where anybody may create files
	Linked                      // it has another hard link, which others may use
)

// An Error names the file or directory that others could have written.
type Error struct {
	Path    string // the file, or a directory in its path
	Problem Problem
	UID     uint32      // set for Owner
	Mode    fs.FileMode // permission bits, set for Writable and Shared
	Dir     bool        // Path is a directory
	Account string      // on Windows: the owner, or who may write
	sid     string      // of Account, set for Writable
}

func (e *Error) Error() string {
	switch {
	case e.Account != "" && e.Problem == Owner:
		return fmt.Sprintf("%s belongs to %s, not to SYSTEM, the Administrators or the agent's user", e.what(), e.Account)
	case e.Account != "":
		return fmt.Sprintf("%s may write %s", e.Account, e.what())
	}
	switch e.Problem {
	case Owner:
		return fmt.Sprintf("%s belongs to user id %d, not to root or to the agent's user", e.what(), e.UID)
	case Shared:
		return fmt.Sprintf("anybody may create files in the directory %s (mode %04o)", e.Path, e.Mode)
	case Linked:
		return fmt.Sprintf("%s has another hard link, through which others may have written it", e.Path)
	}
	return fmt.Sprintf("others may write %s (mode %04o)", e.what(), e.Mode)
}

// ErrorHint returns the command that fixes the problem.
func (e *Error) ErrorHint() string {
	path := shellquote.Join(e.Path)
	switch {
	case e.Account != "" && e.Problem == Owner:
		return fmt.Sprintf(`check its content, then as administrator: icacls "%s" /setowner *S-1-5-32-544`, e.Path)
	case e.Account != "":
		return fmt.Sprintf(`check its content, then as administrator: icacls "%s" /inheritance:d /remove:g *%s`, e.Path, e.sid)
	case e.Problem == Shared:
		return "move the file into a directory of its own, which only its owner may write"
	case e.Problem == Linked:
		return "check its content, then: cp -p " + path + " " + path + ".new && mv " + path + ".new " + path
	case e.Problem == Writable && e.Dir:
		return "chmod go-w " + path + ", and check what others may have put there"
	case e.Problem == Writable:
		return "check its content, then: chmod go-w " + path
	case e.Dir:
		return fmt.Sprintf("chown %s %s, or use another directory", owner(), path)
	}
	return fmt.Sprintf("check its content, then: chown %s %s", owner(), path)
}

// what names the file or the directory.
func (e *Error) what() string {
	if e.Dir {
		return "the directory " + e.Path
	}
	return e.Path
}

// owner returns the expected owner in the syntax of chown.
func owner() string {
	if uid := os.Geteuid(); uid > 0 {
		return fmt.Sprint(uid)
	}
	return "root:root"
}

// Open opens a regular file that satisfies the rule for reading. It does not block on
// a pipe.
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
