package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// A writing is the state of Target.Write.
type writing struct {
	*Target
	staged   []string // temporary names that exist
	made     []*step  // directories that were created
	syncEach bool     // sync each file, not the file system once for all
}

// stage creates the directories, and the new files under temporary names.
func (t *writing) stage(ctx context.Context, content io.Reader) error {
	token := rand.Text()
	swept := map[string]bool{}
	read := t.NeedsContent()
	for i := range t.steps {
		s := &t.steps[i]
		if err := context.Cause(ctx); err != nil {
			return err
		}
		name := t.at(s.entry)
		dir := path.Dir(name)
		switch {
		case s.entry.Kind == Directory && s.exists == nil:
			if err := t.makeDirectory(s, name); err != nil {
				return err
			}
		case s.content || s.entry.Kind == Symlink && s.status != Same:
			if !swept[dir] {
				swept[dir] = true
				t.sweep(dir)
			}
			s.stage = path.Join(dir, fmt.Sprintf("%s%s-%d", tempPrefix, token, i))
			if err := t.stageOne(s, content); err != nil {
				return err
			}
		case read && s.entry.Size > 0:
			if _, err := io.CopyN(io.Discard, content, s.entry.Size); err != nil {
				return endedEarly(err)
			}
		}
	}
	return t.syncStaged()
}

// makeDirectory creates a directory. It gets its owner and mode at once, unless they would keep
// this process from creating files in it: a push that is interrupted leaves it right.
func (t *writing) makeDirectory(s *step, name string) error {
	parent, err := t.root.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := parent.Mkdir(path.Base(name), 0o700); err != nil {
		return err
	}
	t.made = append(t.made, s)
	if s.made, err = parent.Lstat(path.Base(name)); err != nil {
		return err
	}
	if os.Geteuid() != 0 && t.mode(s.entry)&0o300 != 0o300 {
		return nil
	}
	s.done = true
	return t.finishDirectory(s, name)
}

// ErrEndedEarly means that the content is shorter than the manifest says.
var ErrEndedEarly = errors.New("the content ended early")

func endedEarly(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrEndedEarly
	}
	return err
}

// stageOne creates one new file or symbolic link under its temporary name.
func (t *writing) stageOne(s *step, content io.Reader) error {
	if s.entry.Kind == Symlink {
		if err := t.root.Symlink(string(s.entry.Link), s.stage); err != nil {
			return err
		}
		t.staged = append(t.staged, s.stage)
		return t.owner.setLink(t.root, s.stage)
	}
	f, err := t.root.OpenFile(s.stage, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	t.staged = append(t.staged, s.stage)
	err = t.fill(f, s, content)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// fill gives a new file the labels of the one that it replaces, writes and verifies the content,
// and sets owner and mode.
func (t *writing) fill(f *os.File, s *step, content io.Reader) error {
	replaced := s.replaced()
	if replaced != nil { // before the content, which may be secret
		if err := copyLabels(t.root, t.at(s.entry), s.stage, f); err != nil {
			return fmt.Errorf("%q: cannot keep the label or the access control list: %w", t.shown(s.entry), Cause(err))
		}
	}
	h := sha256.New()
	buffer := make([]byte, min(s.entry.Size, 64<<10)+1)
	if n, err := io.CopyBuffer(onlyWriter{io.MultiWriter(f, h)}, io.LimitReader(content, s.entry.Size), buffer); err != nil {
		return err
	} else if n != s.entry.Size {
		return ErrEndedEarly
	}
	if !bytes.Equal(h.Sum(nil), s.entry.SHA256) {
		return fmt.Errorf("%q: the content does not match its SHA-256: the source has changed, or the content was altered", t.shown(s.entry))
	}
	if err := t.setOwnerAndMode(f, s, replaced); err != nil {
		return err
	}
	if t.syncEach {
		return f.Sync()
	}
	return nil
}

// replaced returns the regular file that the new one replaces; nil: none.
func (s *step) replaced() fs.FileInfo {
	if s.exists == nil || !s.exists.Mode().IsRegular() {
		return nil
	}
	return s.exists
}

// onlyWriter hides ReadFrom, so that a copy uses the buffer.
type onlyWriter struct{ io.Writer }

// setOwnerAndMode sets those of the request, or the owner of the replaced file; nil: none. The
// mode is set last: an access control list changes it, and a new owner clears setuid.
func (t *writing) setOwnerAndMode(f *os.File, s *step, replaced fs.FileInfo) error {
	if err := t.owner.set(f, replaced); err != nil {
		return fmt.Errorf("%q: cannot set the owner: %w", t.shown(s.entry), Cause(err))
	}
	return setMode(f, t.mode(s.entry))
}

// several are joined errors.
type several interface {
	error
	Unwrap() []error
}

// Cause returns err without what it was wrapped in, such as the path, which the message has
// already. Of several errors it is the first.
func Cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if all, ok := errors.AsType[several](err); ok && inner == nil {
			inner = all.Unwrap()[0]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

// mostSynced is how many files are synced one by one. Syncing the whole file system once is
// quicker for more.
const mostSynced = 64

// syncsEach reports whether each new file is synced when it is written.
func (t *Target) syncsEach() bool {
	n := 0
	for _, s := range t.steps {
		if s.content {
			n++
		}
	}
	return n <= mostSynced || !canSyncFileSystem
}

func (t *writing) syncStaged() error {
	if t.syncEach {
		return nil
	}
	return newDisks(t.root).syncAll(func(yield func(string) bool) {
		for _, name := range t.staged {
			if !yield(path.Dir(name)) {
				return
			}
		}
	})
}

// commit renames what is staged. If it fails in the middle, the directories that have files stay.
func (t *writing) commit() error {
	dirs := map[string]bool{}
	done, err := t.replaceAll(dirs)
	if err != nil && done == 0 {
		return err
	}
	made := t.made
	t.made = nil
	if err != nil {
		t.removeStaged() // before their directories get modes that forbid it
		err = &halfDone{err, done}
	}
	return errors.Join(err, t.finishDirectories(made, dirs), t.syncDirectories(dirs))
}

// A halfDone is an error after some files were replaced.
type halfDone struct {
	error
	done int
}

func (e *halfDone) Error() string {
	return fmt.Sprintf("%v; files written before this one: %d", e.error, e.done)
}

func (e *halfDone) Unwrap() error { return e.error }

// IsHalfDone reports whether an error of Write says how many files it has written.
func IsHalfDone(err error) bool {
	_, is := errors.AsType[*halfDone](err)
	return is
}

// replaceAll replaces the files in their order, and returns how many. It adds their directories to
// dirs.
func (t *writing) replaceAll(dirs map[string]bool) (done int, err error) {
	for i := range t.steps {
		s := &t.steps[i]
		name := t.at(s.entry)
		switch {
		case s.stage != "":
			err = t.replace(s, name)
			dirs[path.Dir(name)] = true
		case s.entry.Kind == File && s.status == Replaced: // only mode or owner differ
			err = t.changeAttributes(s, name)
		default:
			continue
		}
		if err != nil {
			return done, err
		}
		done++
	}
	t.staged = nil
	return done, nil
}

// replace renames a staged file to its name.
func (t *writing) replace(s *step, name string) error {
	if t.options.Backup && s.exists != nil {
		if err := t.backUp(s, name); err != nil {
			return fmt.Errorf("%q: no backup: %w", t.shown(s.entry), Cause(err))
		}
	}
	return t.root.Rename(s.stage, name)
}

// mostBackupTries is how often a file may be replaced while it is backed up.
const mostBackupTries = 100

// backUp makes NAME~ a second name or a copy of the file, so that the name is never missing.
func (t *writing) backUp(s *step, name string) error {
	temp := s.stage + "~"
	err := t.secondName(name, temp)
	for range mostBackupTries {
		if !errors.Is(err, fs.ErrNotExist) { // somebody replaces the file at the same time
			break
		}
		err = t.secondName(name, temp)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was removed
	}
	if err == nil {
		err = t.root.Rename(temp, name+"~")
	}
	// If both are names of one file already, rename does nothing.
	if e := t.root.Remove(temp); err == nil && e != nil && !errors.Is(e, fs.ErrNotExist) {
		return e
	}
	return err
}

// secondName makes temp a hard link to a file, or a copy: of a symbolic link, or where hard links do
// not exist or are not permitted.
func (t *writing) secondName(name, temp string) error {
	info, err := t.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := t.root.Readlink(name)
		if err != nil {
			return err
		}
		return t.root.Symlink(link, temp)
	}
	if err = t.root.Link(name, temp); err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.copyFile(name, temp)
}

// copyFile makes temp a copy of a file, with its owner, mode, time and labels.
func (t *writing) copyFile(name, temp string) error {
	from, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return copyLabels(t.root, name, temp, to) },
		func() error { _, err := io.Copy(to, from); return err },
		func() error { return anyOwner.set(to, info) },
		func() error { return setMode(to, fromMode(info.Mode())) },
		to.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	return errors.Join(err, to.Close(), t.root.Chtimes(temp, info.ModTime(), info.ModTime()))
}

// changeAttributes changes mode and owner of a file that has the content.
func (t *writing) changeAttributes(s *step, name string) error {
	f, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.unchanged(f, s.exists, s); err != nil {
		return err
	}
	if err := t.setOwnerAndMode(f, s, s.exists); err != nil {
		return err
	}
	return f.Sync()
}

// finishDirectories gives new directories their owner and mode, the innermost first. It adds them to
// dirs.
func (t *writing) finishDirectories(made []*step, dirs map[string]bool) error {
	for _, s := range slices.Backward(made) {
		name := t.at(s.entry)
		dirs[name], dirs[path.Dir(name)] = true, true
		if s.done {
			continue
		}
		if err := t.finishDirectory(s, name); err != nil {
			return err
		}
	}
	return nil
}

// finishDirectory gives a new directory its owner and mode.
func (t *writing) finishDirectory(s *step, name string) error {
	f, err := t.root.Open(name)
	if err != nil {
		return err
	}
	if err = t.unchanged(f, s.made, s); err == nil {
		err = t.setOwnerAndMode(f, s, nil)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// unchanged returns an error if an open file or directory is another than it was: somebody else who
// may write into its directory has made the name lead elsewhere.
func (t *writing) unchanged(f *os.File, was fs.FileInfo, s *step) error {
	if info, err := f.Stat(); err != nil || !os.SameFile(info, was) {
		return errors.Join(fmt.Errorf("%q was replaced by somebody else during the push", t.shown(s.entry)), err)
	}
	return nil
}

func (t *writing) syncDirectories(dirs map[string]bool) error {
	if len(dirs) > mostSynced && canSyncFileSystem {
		return newDisks(t.root).syncAll(maps.Keys(dirs))
	}
	for dir := range dirs {
		if err := syncDirectory(t.root, dir); err != nil {
			return err
		}
	}
	return nil
}

// syncDirectory writes the names in a directory to the disk, if its mode permits that.
func syncDirectory(d directories, name string) error {
	if !canSyncDirectory {
		return nil
	}
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	f.Close()
	return err
}

func (t *writing) removeStaged() {
	for _, name := range t.staged {
		_ = t.root.Remove(name) // those that were renamed are gone
	}
	t.staged = nil
}

// discard removes what is staged and the directories that were created.
func (t *writing) discard() {
	t.removeStaged()
	for _, s := range slices.Backward(t.made) {
		_ = t.root.Remove(t.at(s.entry)) // fails if somebody has put something into it
	}
}

// tempPrefix begins the names of staged files.
const tempPrefix = ".warren-push-"

// sweep removes staged files of pushes that ended long ago without removing them, as after a
// loss of power.
func (t *writing) sweep(dir string) {
	d, err := t.root.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			if e.IsDir() || !strings.HasPrefix(e.Name(), tempPrefix) {
				continue
			}
			if info, err := e.Info(); err == nil && isStale(info) {
				_ = t.root.Remove(path.Join(dir, e.Name())) // if it stays, it only takes space
			}
		}
		if err != nil {
			return
		}
	}
}
