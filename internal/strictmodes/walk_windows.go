package strictmodes

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"warren/internal/acl"

	"golang.org/x/sys/windows"
)

// Stat checks a file or directory and all directories in its path, and returns the
// information about the target of all links. It returns an *Error or a system error.
func Stat(path string) (fs.FileInfo, error) { return stat(path, acl.Write) }

// StatParent is Stat for a directory in which the caller will create another directory.
// Other users may create files in it.
func StatParent(dir string) (fs.FileInfo, error) { return stat(dir, acl.Replace) }

// stat refuses a file on which another user has one of these rights, or that another user
// could replace. A user who may only add files to a directory in the path cannot replace
// existing files.
func stat(path string, rights windows.ACCESS_MASK) (fs.FileInfo, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Compact([]string{path, target}) {
		for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
			if err := checkRights(dir, true, acl.Replace); err != nil {
				return nil, err
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return info, checkRights(target, info.IsDir(), rights)
}

// CheckContent checks the content of a directory that satisfies the rule, down to depth
// directories below it: others may have put files there earlier, when they could write.
func CheckContent(dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			_, err = Stat(path)
		default:
			err = checkRights(path, entry.IsDir(), acl.Write)
		}
		if err == nil && entry.IsDir() && depth > 0 {
			err = CheckContent(path, depth-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check is called for an open file, which nobody can replace.
func check(path string, info fs.FileInfo) error { return checkRights(path, info.IsDir(), acl.Write) }

func checkRights(path string, dir bool, rights windows.ACCESS_MASK) error {
	file, err := acl.Open(path)
	if err != nil {
		return err
	}
	if owner := file.ForeignOwner(); owner != nil {
		return &Error{Path: path, Problem: Owner, Dir: dir, Account: owner.Name}
	}
	if holder := file.ForeignHolder(rights); holder != nil {
		return &Error{Path: path, Problem: Writable, Dir: dir, Account: holder.Name, sid: holder.SID}
	}
	return nil
}

func open(path string) (*os.File, error) { return os.Open(path) }
