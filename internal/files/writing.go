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
	"path/filepath"
	"slices"
	"strings"
)

// A writing is the state of Target.Write.
type writing struct {
	*Target
	staged   []string // temporary names that exist
	parents  []string // directories that Options.Mkdir has created; they stay, because other pushes may use them
	made     []*step  // directories of the push that were created
	syncEach bool     // sync each file, not the file system once for all
}

// stage creates the directories, and the new files under temporary names.
func (t *writing) stage(ctx context.Context, content io.Reader) error {
	if err := t.makeMissing(); err != nil {
		return err
	}
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
			err := t.makeDirectory(s, name)
			if errors.Is(err, fs.ErrNotExist) && t.makeAgain(dir) == nil {
				err = t.makeDirectory(s, name)
			}
			if err != nil {
				return t.named(s, err)
			}
		case s.content || s.entry.Kind == Symlink && s.status != Same:
			if !swept[dir] {
				swept[dir] = true
				t.sweep(dir)
			}
			s.stage = path.Join(dir, fmt.Sprintf("%s%s-%d", tempPrefix, token, i))
			if err := t.stageOne(ctx, s, content); err != nil {
				return t.named(s, err)
			}
		case read && s.entry.Size > 0:
			if _, err := io.CopyN(io.Discard, content, s.entry.Size); err != nil {
				return endedEarly(err)
			}
		}
	}
	return t.syncStaged(ctx)
}

// named returns an error with the path of the entry, not that of a temporary name.
func (t *Target) named(s *step, err error) error {
	if _, ok := errors.AsType[exchanged](err); ok {
		return exchanged(t.shown(s.entry))
	}
	switch err.(type) { // not errors.As: what wraps such an error has named the path
	case *fs.PathError, *os.LinkError:
		return fmt.Errorf("%q: %w", t.shown(s.entry), Cause(err))
	}
	return err
}

// makeMissing creates the directories for Options.Mkdir.
func (t *writing) makeMissing() error {
	for _, dir := range t.missing {
		err := t.root.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrExist) { // another push has made it
			continue
		}
		if err != nil {
			return fmt.Errorf("%q: %w", filepath.Join(t.root.Name(), filepath.FromSlash(dir)), Cause(err))
		}
		t.parents = append(t.parents, dir)
	}
	return nil
}

// makeDirectory creates a directory, unless another push has just done so. It gets its owner and mode
// at once, unless they would keep this process from creating files in it: a push that is interrupted
// leaves it right. Nobody else uses it before it has its name.
func (t *writing) makeDirectory(s *step, name string) error {
	parent, err := t.root.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	name = path.Base(name)
	if s.exists, err = parent.Lstat(name); err == nil {
		return t.compareDirectory(s)
	}
	temp := tempPrefix + rand.Text() + "-d"
	if err := parent.Mkdir(temp, 0o700); err != nil {
		return err
	}
	if err = t.prepareDirectory(parent, temp, s); err == nil {
		err = parent.Rename(temp, name)
	}
	if err == nil {
		t.made = append(t.made, s)
		return nil
	}
	_ = parent.Remove(temp)
	if info, e := parent.Lstat(name); e == nil { // meanwhile, the other push has put something into its own
		s.exists, s.done = info, false
		return t.compareDirectory(s)
	}
	return err
}

// prepareDirectory gives a new directory its owner and mode.
func (t *writing) prepareDirectory(parent *os.Root, temp string, s *step) error {
	f, err := openNewDirectory(parent, temp)
	if err != nil {
		return err
	}
	defer f.Close()
	if s.made, err = f.Stat(); err != nil {
		return err
	}
	if os.Geteuid() != 0 && t.mode(s.entry)&0o300 != 0o300 {
		return nil
	}
	s.done = true
	return t.setOwnerAndMode(f, s, nil)
}

// An exchanged is the name of a new file or directory that somebody else, who may write into the
// directory, has made lead elsewhere.
type exchanged string

func (e exchanged) Error() string {
	return fmt.Sprintf("%q was replaced by somebody else during the push", string(e))
}

// openNewDirectory opens a directory that this process has just made. Somebody else may have put
// another one there, and must not get its content with its owner and mode: a new one is empty.
func openNewDirectory(parent *os.Root, name string) (*os.File, error) {
	f, err := openUnfollowed(parent, name)
	if err != nil {
		return nil, err
	}
	if _, err := f.Readdirnames(1); !errors.Is(err, io.EOF) {
		f.Close()
		return nil, exchanged(name)
	}
	return f, nil
}

// makeAgain makes the directories above dir that the push has found, and that another push, which
// had made them, has removed since.
func (t *writing) makeAgain(dir string) error {
	for i := range t.steps {
		s := &t.steps[i]
		name := t.at(s.entry)
		if s.entry.Kind != Directory || s.exists == nil || name != dir && !strings.HasPrefix(dir, name+"/") {
			continue
		}
		if _, err := t.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			s.exists, s.status = nil, Created
			if err := t.makeDirectory(s, name); err != nil {
				return err
			}
		}
	}
	return nil
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
func (t *writing) stageOne(ctx context.Context, s *step, content io.Reader) error {
	f, err := t.create(s)
	if errors.Is(err, fs.ErrNotExist) && t.makeAgain(path.Dir(s.stage)) == nil {
		f, err = t.create(s)
	}
	if err != nil {
		return err
	}
	t.staged = append(t.staged, s.stage)
	if f == nil {
		if s.made, err = t.root.Lstat(s.stage); err != nil {
			return err
		}
		return t.owner.setLink(t.root, s.stage)
	}
	if s.made, err = f.Stat(); err == nil {
		err = t.fill(ctx, f, s, content)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// create creates a symbolic link, or an empty file and returns it.
func (t *writing) create(s *step) (*os.File, error) {
	if s.entry.Kind == Symlink {
		return nil, t.root.Symlink(string(s.entry.Link), s.stage)
	}
	return t.root.OpenFile(s.stage, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// fill gives a new file the labels of the one that it replaces, writes and verifies the content,
// and sets owner and mode.
func (t *writing) fill(ctx context.Context, f *os.File, s *step, content io.Reader) error {
	if err := t.takeOver(f, s); err != nil { // before the content, which may be secret
		return err
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
	if err := t.setOwnerAndMode(f, s, s.replaced()); err != nil {
		return err
	}
	if t.syncEach {
		return abandonable(ctx, func() error { return t.sync(f) })
	}
	return nil
}

// abandonable returns what f returns, or the cause of ctx as soon as it ends. A slow disk can take longer
// for a sync than a canceled process has to remove its files.
func abandonable(ctx context.Context, f func() error) error {
	done := make(chan error, 1) // 1: nobody may be waiting any more
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// takeOver gives a new file the labels of the one that it replaces.
func (t *writing) takeOver(f *os.File, s *step) error {
	if s.replaced() == nil {
		return nil
	}
	if err := copyLabels(t.root, t.at(s.entry), s.stage, f); err != nil {
		return fmt.Errorf("%q: cannot keep the label or the access control list: %w", t.shown(s.entry), Cause(err))
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
	mode := t.mode(s.entry)
	if err := setMode(f, mode); err != nil || mode&specialModes == 0 {
		return err
	}
	info, err := f.Stat()
	if err == nil && !sameMode(info, mode) { // the kernel drops setgid without an error
		err = fmt.Errorf("%q: cannot set the mode %04o: the user who writes is not in the group of the file (its mode is %04o)", t.shown(s.entry), mode, fromMode(info.Mode()))
	}
	return err
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

func (t *writing) syncStaged(ctx context.Context) error {
	if t.syncEach {
		return nil
	}
	dirs := map[string]bool{}
	for _, name := range t.staged {
		dirs[path.Dir(name)] = true
	}
	return abandonable(ctx, func() error { return newDisks(t.root).syncAll(maps.Keys(dirs)) })
}

// commit renames what is staged. If it fails in the middle, the directories that have files stay.
func (t *writing) commit() error {
	dirs := map[string]bool{}
	done, err := t.replaceAll(dirs)
	if err != nil && done == 0 {
		return err
	}
	for _, dir := range t.parents {
		dirs[path.Dir(dir)] = true
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
			return done, t.named(s, err)
		}
		done++
	}
	t.staged = nil
	return done, nil
}

// replace renames a staged file to its name.
func (t *writing) replace(s *step, name string) error {
	err := t.lookAgain(s, name)
	switch {
	case err != nil:
	case t.options.Backup && s.keepsOld():
		err = t.replaceWithBackup(s, name)
	default:
		err = t.root.Rename(s.stage, name)
	}
	s.placed = err == nil
	return err
}

// lookAgain adapts a step to what is at its path now: the comparison may have been an hour ago, and
// somebody else may have written there since.
func (t *writing) lookAgain(s *step, name string) error {
	info, err := t.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.exists, s.status = nil, Created
		return nil
	case err != nil:
		return err
	case s.exists != nil && sameState(info, s.exists):
		return nil
	}
	for i := range t.steps {
		if other := &t.steps[i]; other.placed && os.SameFile(info, other.made) {
			return fmt.Errorf("%q and %q are the same name on this file system", t.shown(other.entry), t.shown(s.entry))
		}
	}
	s.exists, s.equal = info, false
	if err := t.mayReplace(s); err != nil || s.entry.Kind == Symlink {
		return err
	}
	if err := t.checkReadOnly(info, s); err != nil {
		return err
	}
	f, err := t.root.OpenFile(s.stage, os.O_RDWR|unblocked, 0)
	if errors.Is(err, fs.ErrPermission) { // by its mode
		f, err = openRegular(t.root, s.stage)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.unchanged(f, s.made, s); err != nil {
		return err
	}
	if err := t.takeOver(f, s); err != nil {
		return err
	}
	if err := t.setOwnerAndMode(f, s, s.replaced()); err != nil {
		return err
	}
	return t.sync(f)
}

// sameState reports whether two descriptions are of one file in the same state.
func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Mode() == b.Mode() && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && ownerOf(a).isOf(b)
}

// changeAttributes changes mode and owner of a file that has the content.
func (t *writing) changeAttributes(s *step, name string) error {
	f, err := openRegular(t.root, name)
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
	f, err := openRegular(t.root, name)
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
		return errors.Join(exchanged(t.shown(s.entry)), err)
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
func syncDirectory(d *os.Root, name string) error {
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

// tempPrefix begins the temporary names of new files and directories.
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
