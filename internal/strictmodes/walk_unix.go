//go:build unix

package strictmodes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks limits the symbolic links of one path, as the kernel does.
const maxLinks = 40

// Stat checks a file or directory and all directories in its path, and returns the
// information about the target of all links. It returns an *Error or a system error.
func Stat(path string) (fs.FileInfo, error) { return stat(path, false) }

// StatParent is Stat for a directory in which the caller will create another
// directory. It may be a sticky directory.
func StatParent(dir string) (fs.FileInfo, error) { return stat(dir, true) }

func stat(path string, parent bool) (fs.FileInfo, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	w := walk{rest: split(path), parent: parent}
	info, err := w.goTo("/")
	for err == nil && len(w.rest) > 0 {
		info, err = w.step()
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = &fs.PathError{Op: "open", Path: path, Err: at.Err} // report the whole path, as the system does
	}
	return info, err
}

// A walk follows a path, name by name. All directories that it has entered satisfy the
// rule.
type walk struct {
	dir    string // without links
	sticky *Error // set if dir is a sticky directory that anybody may write
	rest   []string
	links  int
	parent bool // the last directory may be sticky
}

// step takes one name and returns the information about it.
func (w *walk) step() (fs.FileInfo, error) {
	name := w.rest[0]
	w.rest = w.rest[1:]
	if name == ".." {
		return w.goTo(filepath.Dir(w.dir))
	}
	path := filepath.Join(w.dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if w.sticky != nil && !info.IsDir() {
		return nil, w.sticky
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return w.follow(path)
	case info.IsDir():
		return info, w.enter(path, info)
	case len(w.rest) > 0:
		return nil, &fs.PathError{Op: "lstat", Path: path, Err: syscall.ENOTDIR}
	}
	return info, check(path, info)
}

// follow puts the target of a link in front of the rest of the path.
func (w *walk) follow(path string) (fs.FileInfo, error) {
	if w.links++; w.links > maxLinks {
		return nil, &fs.PathError{Op: "readlink", Path: path, Err: syscall.ELOOP}
	}
	to, err := os.Readlink(path)
	if err != nil {
		return nil, err
	}
	w.rest = append(split(to), w.rest...)
	if filepath.IsAbs(to) {
		return w.goTo("/")
	}
	return os.Lstat(w.dir)
}

// goTo enters a directory that is not below the current one.
func (w *walk) goTo(dir string) (fs.FileInfo, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	return info, w.enter(dir, info)
}

// enter enters a directory. It accepts a sticky directory, but not as the last one.
func (w *walk) enter(dir string, info fs.FileInfo) error {
	w.dir, w.sticky = dir, nil
	e := checked(dir, info)
	if e != nil && e.Problem == Writable && info.Mode()&fs.ModeSticky != 0 {
		w.sticky = &Error{Path: dir, Problem: Shared, Mode: e.Mode, Dir: true}
		if len(w.rest) > 0 || w.parent {
			return nil
		}
		e = w.sticky
	}
	if e != nil {
		return e
	}
	return nil
}

// split returns the names in a path without ".".
func split(path string) (names []string) {
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

// check refuses a file that users other than root and this user could have written.
func check(path string, info fs.FileInfo) error {
	if e := checked(path, info); e != nil {
		return e
	}
	return nil
}

func checked(path string, info fs.FileInfo) *Error {
	st := info.Sys().(*syscall.Stat_t)
	mode := info.Mode()
	e := &Error{Path: path, UID: st.Uid, Dir: mode.IsDir()}
	switch {
	case st.Uid != 0 && st.Uid != uint32(os.Geteuid()):
		e.Problem = Owner
		return e
	case mode&fs.ModeSymlink == 0 && mode.Perm()&0o022 != 0: // the mode of a link has no meaning
		e.Problem, e.Mode, e.UID = Writable, permissions(mode), 0
		return e
	}
	return nil
}

// permissions returns the mode bits as in chmod(1).
func permissions(mode fs.FileMode) fs.FileMode {
	bits := mode.Perm()
	for bit, octal := range map[fs.FileMode]fs.FileMode{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			bits |= octal
		}
	}
	return bits
}

// CheckContent checks the content of a directory that satisfies the rule, down to
// depth directories below it: others may have put files there earlier, when they could
// write. Unlike Stat, it refuses a file with several hard links.
func CheckContent(dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if err := check(path, info); err != nil {
			return err
		}
		switch {
		case info.IsDir() && depth > 0:
			err = CheckContent(path, depth-1)
		case info.IsDir():
		case info.Sys().(*syscall.Stat_t).Nlink > 1:
			err = &Error{Path: path, Problem: Linked}
		case info.Mode()&fs.ModeSymlink != 0:
			_, err = Stat(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open does not block on a pipe without a writer.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
