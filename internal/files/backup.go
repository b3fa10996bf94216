package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"syscall"
	"unicode/utf16"
)

// checkBackups refuses a push whose backups would fail, or replace what the push writes.
func (t *Target) checkBackups() error {
	if !t.options.Backup {
		return nil
	}
	written := map[string]*Entry{}
	for _, s := range t.steps {
		written[t.at(s.entry)] = s.entry
	}
	for i := range t.steps {
		s := &t.steps[i]
		if !s.keepsOld() {
			continue
		}
		name := t.at(s.entry) + "~"
		info, err := t.root.Lstat(name)
		switch {
		case written[name] != nil:
			return fmt.Errorf("the backup of %q would replace %q, which the push writes (push without --backup, or without one of the files)", t.shown(s.entry), t.shown(written[name]))
		case runtime.GOOS == "windows" && len(utf16.Encode([]rune(path.Base(name)))) > longestOnWindows:
			return fmt.Errorf("%q: no backup: %w", t.shown(s.entry), syscall.ENAMETOOLONG)
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("%q: no backup: %w", t.shown(s.entry), Cause(err))
		case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
			return fmt.Errorf("%q: no backup: %q is not a file", t.shown(s.entry), t.shown(s.entry)+"~")
		}
	}
	return nil
}

// longestOnWindows is the most UTF-16 units of a name. Windows reports of a longer one that it does not exist.
const longestOnWindows = 255

// keepsOld reports whether a backup of the entry is made: it has other content.
func (s *step) keepsOld() bool { return s.status == Replaced && !s.equal }

// replaceWithBackup keeps the replaced file as NAME~. If it cannot be replaced, the earlier backup stays.
func (t *writing) replaceWithBackup(s *step, name string) error {
	earlier := s.stage + "~~"
	_, err := t.root.Lstat(name + "~")
	isFirst := errors.Is(err, fs.ErrNotExist)
	isKept := !isFirst && t.root.Link(name+"~", earlier) == nil // not where hard links do not exist or are not permitted
	made, err := backUp(t.root, name, s.stage+"~")
	if err != nil {
		err = fmt.Errorf("%q: no backup: %w", t.shown(s.entry), Cause(err))
	} else if err = t.root.Rename(s.stage, name); err != nil && made {
		switch {
		case isKept:
			err = errors.Join(err, t.root.Rename(earlier, name+"~"))
		case isFirst:
			err = errors.Join(err, t.root.Remove(name+"~"))
		}
		err = fmt.Errorf("%q: %w", t.shown(s.entry), Cause(err))
	}
	_ = t.root.Remove(earlier) // if it stays, a later push removes it
	return err
}

// mostBackupTries is how often a file may be replaced while it is backed up.
const mostBackupTries = 100

// backUp makes NAME~ a second name or a copy of the file, so that the name is never missing. It reports
// whether there was a file.
func backUp(root *os.Root, name, temp string) (made bool, err error) {
	err = secondName(root, name, temp)
	for range mostBackupTries {
		if !errors.Is(err, fs.ErrNotExist) { // somebody replaces the file at the same time
			break
		}
		err = secondName(root, name, temp)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it was removed
	}
	if err == nil {
		err = root.Rename(temp, name+"~")
	}
	made = err == nil
	// If both are names of one file already, rename does nothing.
	if e := root.Remove(temp); err == nil && e != nil && !errors.Is(e, fs.ErrNotExist) {
		return made, e
	}
	return made, err
}

// secondName makes temp a hard link to a file, or a copy: of a symbolic link, or where hard links do
// not exist or are not permitted.
func secondName(root *os.Root, name, temp string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return root.Symlink(link, temp)
	}
	if err = root.Link(name, temp); err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return copyFile(root, name, temp)
}

// copyFile makes temp a copy of a file, with its owner, mode, time and labels.
func copyFile(root *os.Root, name, temp string) error {
	from, err := openRegular(root, name)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return copyLabels(root, name, temp, to) },
		func() error { _, err := io.Copy(to, from); return err },
		func() error { return anyOwner.set(to, info) },
		func() error { return setMode(to, fromMode(info.Mode())) },
		to.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	return errors.Join(err, to.Close(), root.Chtimes(temp, info.ModTime(), info.ModTime()))
}
