package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"
)

// Options say how a push writes its files.
type Options struct {
	Path      string // of the target: a full path
	Within    string // the directory that the host permits; empty: any
	Mode      int64  // of files, instead of that in the manifest; 0: that
	Owner     string // USER[:GROUP]; empty: that of a replaced file, or the user who writes
	Backup    bool   // keep a replaced file as NAME~
	Mkdir     bool   // create the directory of the target
	CheckOnly bool   // write nothing
}

// A Target is where a push writes on this host. Close it.
type Target struct {
	options Options
	root    *os.Root // nil: the directory is missing, and is not created
	prefix  string   // of the target below root
	owner   owner
	steps   []step
	staged  []string // temporary names that exist
	made    []string // directories that were created
}

// A step is what becomes of one entry.
type step struct {
	entry   *Entry
	status  string
	exists  fs.FileInfo // what is there; nil: nothing
	content bool        // the file's content must be written
	stage   string      // the temporary name of the new file or symlink
}

// Open compares a manifest with this host. It writes nothing but directories for Options.Mkdir.
func Open(m *Manifest, o Options) (*Target, error) {
	t := &Target{options: o}
	if err := t.open(m); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Target) open(m *Manifest) (err error) {
	if t.owner, err = lookupOwner(t.options.Owner); err != nil {
		return err
	}
	if err := t.openRoot(m); err != nil {
		return err
	}
	for i := range m.Entries {
		s := step{entry: &m.Entries[i], status: Created, content: m.Entries[i].Kind == File}
		if t.root != nil {
			if err := t.compare(&s); err != nil {
				return err
			}
		}
		t.steps = append(t.steps, s)
	}
	return nil
}

// Close closes the directory.
func (t *Target) Close() {
	if t.root != nil {
		t.root.Close()
	}
}

// openRoot opens the directory that confines all paths.
func (t *Target) openRoot(m *Manifest) error {
	o := &t.options
	if !filepath.IsAbs(o.Path) {
		return fmt.Errorf("%q is not a full path", o.Path)
	}
	target := filepath.Clean(o.Path)
	single := m.Entries[0].Name() == "." && m.Entries[0].Kind == File
	if single && endsWithSeparator(o.Path) {
		return fmt.Errorf("%q names a directory, but the source is a file", o.Path)
	}
	into := m.Entries[0].Name() != "." // the target is the directory of all entries
	if o.Within != "" {
		return t.openWithin(target, into)
	}
	info, err := os.Stat(target)
	parent := target
	if t.prefix = "."; !into && (single || err != nil || !info.IsDir()) {
		parent, t.prefix = filepath.Dir(target), filepath.Base(target)
	}
	if o.Mkdir && !o.CheckOnly {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	return t.openParent(parent)
}

func (t *Target) openParent(parent string) (err error) {
	t.root, err = os.OpenRoot(parent)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if t.options.Mkdir && t.options.CheckOnly {
		return nil
	}
	return fmt.Errorf("no such directory %q (--mkdir creates it)", parent)
}

// openWithin opens the directory that the host permits.
func (t *Target) openWithin(target string, into bool) (err error) {
	within := filepath.Clean(t.options.Within)
	rel, err := filepath.Rel(within, target)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%q is not below %q", target, within)
	}
	t.prefix = filepath.ToSlash(rel)
	if t.root, err = os.OpenRoot(within); err != nil {
		return err
	}
	parent := t.prefix
	if !into {
		parent = path.Dir(t.prefix)
	}
	if t.options.Mkdir && !t.options.CheckOnly {
		return t.root.MkdirAll(parent, 0o755)
	}
	_, err = t.root.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist) && t.options.Mkdir:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no such directory %q (--mkdir creates it)", filepath.Join(within, filepath.FromSlash(parent)))
	}
	return err
}

func endsWithSeparator(p string) bool { return p != "" && os.IsPathSeparator(p[len(p)-1]) }

// at returns the name of an entry in the root.
func (t *Target) at(e *Entry) string { return path.Join(t.prefix, e.Name()) }

// mode returns the mode that an entry gets.
func (t *Target) mode(e *Entry) int64 {
	if e.Kind == File && t.options.Mode != 0 {
		return t.options.Mode
	}
	return e.Mode
}

// compare sets what becomes of an entry.
func (t *Target) compare(s *step) error {
	e := s.entry
	if runtime.GOOS == "windows" && !utf8.ValidString(e.Name()) {
		return fmt.Errorf("%q is not UTF-8, which Windows needs", e.Path)
	}
	name := t.at(e)
	info, err := t.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	s.exists = info
	switch e.Kind {
	case Directory:
		return t.compareDirectory(s)
	case Symlink:
		return t.compareSymlink(s)
	}
	return t.compareFile(s)
}

// compareDirectory accepts a directory, or a symbolic link to one, as it is.
func (t *Target) compareDirectory(s *step) error {
	info, err := t.root.Stat(t.at(s.entry))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a directory", t.shown(s.entry))
	}
	s.status = Same
	return nil
}

func (t *Target) compareSymlink(s *step) error {
	if err := t.mayReplace(s); err != nil {
		return err
	}
	link, err := t.root.Readlink(t.at(s.entry))
	if err == nil && link == string(s.entry.Link) {
		s.status = Same
	}
	return nil
}

// mayReplace refuses to replace what is neither a file nor a symbolic link.
func (t *Target) mayReplace(s *step) error {
	s.status = Replaced
	switch mode := s.exists.Mode(); {
	case mode.IsRegular(), mode&fs.ModeSymlink != 0:
		return nil
	case mode.IsDir():
		return fmt.Errorf("%q is a directory", t.shown(s.entry))
	}
	return fmt.Errorf("%q is a device, a socket or a pipe", t.shown(s.entry))
}

func (t *Target) compareFile(s *step) error {
	if err := t.mayReplace(s); err != nil {
		return err
	}
	if !s.exists.Mode().IsRegular() || s.exists.Size() != s.entry.Size {
		return nil
	}
	f, err := t.root.Open(t.at(s.entry))
	if err != nil {
		return nil //nolint:nilerr // a file that cannot be read is replaced
	}
	defer f.Close()
	h := sha256.New()
	if n, err := io.Copy(h, f); err != nil || n != s.entry.Size || !bytes.Equal(h.Sum(nil), s.entry.SHA256) {
		return nil //nolint:nilerr // as above
	}
	s.content = false
	if sameMode(s.exists, t.mode(s.entry)) && t.owner.isOf(s.exists) {
		s.status = Same
	}
	return nil
}

// NeedsContent reports whether Write reads the content.
func (t *Target) NeedsContent() bool {
	if t.options.CheckOnly {
		return false
	}
	for _, s := range t.steps {
		if s.content && s.entry.Size > 0 {
			return true
		}
	}
	return false
}

// Write writes what differs. It reads the content if NeedsContent says so. After an error
// before the first rename, it leaves everything as it was.
func (t *Target) Write(ctx context.Context, content io.Reader) error {
	if t.options.CheckOnly {
		return nil
	}
	if err := t.checkSpace(); err != nil {
		return err
	}
	err := t.stage(ctx, content)
	if err == nil {
		err = t.commit()
	}
	if err != nil {
		t.discard()
	}
	return err
}

// spacePerEntry is what an entry needs besides its content, at most.
const spacePerEntry = 4096

// checkSpace refuses a push for which the file system has no room.
func (t *Target) checkSpace() error {
	need := int64(0)
	for _, s := range t.steps {
		if s.content {
			need += s.entry.Size + spacePerEntry
		}
	}
	if need == 0 {
		return nil
	}
	free, ok := freeSpace(t.root)
	if ok && free < need {
		return fmt.Errorf("no space: %d bytes are needed, %d are free", need, free)
	}
	return nil
}

// stage creates the directories, and the new files under temporary names.
func (t *Target) stage(ctx context.Context, content io.Reader) error {
	token := newToken()
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
			if err := t.root.Mkdir(name, 0o700); err != nil {
				return err
			}
			t.made = append(t.made, name)
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

// ErrEndedEarly means that the content is shorter than the manifest says.
var ErrEndedEarly = errors.New("the content ended early")

func endedEarly(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrEndedEarly
	}
	return err
}

// stageOne creates one new file or symbolic link under its temporary name.
func (t *Target) stageOne(s *step, content io.Reader) error {
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

// fill writes and verifies the content, and sets owner, mode and labels.
func (t *Target) fill(f *os.File, s *step, content io.Reader) error {
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
	if err := t.copyAttributes(f, s); err != nil {
		return err
	}
	if t.eachSynced() {
		return f.Sync()
	}
	return nil
}

// onlyWriter hides ReadFrom, so that a copy uses the buffer.
type onlyWriter struct{ io.Writer }

// copyAttributes sets owner, mode, label and access control list: those of the request, or
// those of the file that is replaced.
func (t *Target) copyAttributes(f *os.File, s *step) error {
	replaced := s.exists != nil && s.exists.Mode().IsRegular()
	if err := t.owner.set(f, s.exists, replaced); err != nil {
		return fmt.Errorf("%q: cannot set the owner: %w", t.shown(s.entry), rootCause(err))
	}
	if err := f.Chmod(toMode(t.mode(s.entry))); err != nil {
		return err
	}
	if !replaced {
		return nil
	}
	if err := copyLabels(t.root, t.at(s.entry), f); err != nil {
		return fmt.Errorf("%q: cannot keep the label or the access control list: %w", t.shown(s.entry), rootCause(err))
	}
	return nil
}

func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// mostSynced is how many files are synced one by one. Syncing the whole file system once is
// quicker for more.
const mostSynced = 64

func (t *Target) eachSynced() bool {
	n := 0
	for _, s := range t.steps {
		if s.content {
			n++
		}
	}
	return n <= mostSynced || !canSyncFileSystem
}

func (t *Target) syncStaged() error {
	if t.eachSynced() {
		return nil
	}
	return syncFileSystem(t.root)
}

// commit renames what is staged.
func (t *Target) commit() error {
	dirs := map[string]bool{}
	for i := range t.steps {
		s := &t.steps[i]
		name := t.at(s.entry)
		switch {
		case s.stage != "":
			if err := t.replace(s, name); err != nil {
				return t.partly(i, err)
			}
			dirs[path.Dir(name)] = true
		case s.entry.Kind == File && s.status == Replaced: // only mode or owner differ
			if err := t.changeAttributes(s, name); err != nil {
				return t.partly(i, err)
			}
		}
	}
	t.staged = nil
	made := t.made
	t.made = nil
	return errors.Join(t.finishDirectories(made, dirs), t.syncDirectories(dirs))
}

// partly says that some files are written.
func (t *Target) partly(done int, err error) error {
	if done == 0 {
		return err
	}
	t.made = nil // they have files
	return fmt.Errorf("%w; of %d entries, the first %d are written", err, len(t.steps), done)
}

// replace renames a staged file to its name.
func (t *Target) replace(s *step, name string) error {
	if t.options.Backup && s.exists != nil {
		if err := t.backUp(s, name); err != nil {
			return fmt.Errorf("%q: no backup: %w", t.shown(s.entry), rootCause(err))
		}
	}
	return t.root.Rename(s.stage, name)
}

// backUp makes NAME~ a second name of the file, so that the name is never missing.
func (t *Target) backUp(s *step, name string) error {
	if s.exists.Mode()&fs.ModeSymlink != 0 {
		return t.root.Rename(name, name+"~")
	}
	temp := s.stage + "~"
	if err := t.root.Link(name, temp); err != nil { // a file system without hard links
		return t.root.Rename(name, name+"~")
	}
	err := t.root.Rename(temp, name+"~")
	// If both are names of one file already, rename does nothing.
	if e := t.root.Remove(temp); err == nil && e != nil && !errors.Is(e, fs.ErrNotExist) {
		return e
	}
	return err
}

// changeAttributes changes mode and owner of a file that has the content.
func (t *Target) changeAttributes(s *step, name string) error {
	f, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.owner.set(f, s.exists, true); err != nil {
		return fmt.Errorf("%q: cannot set the owner: %w", t.shown(s.entry), rootCause(err))
	}
	return f.Chmod(toMode(t.mode(s.entry)))
}

// finishDirectories gives new directories their owner and mode, the innermost first.
func (t *Target) finishDirectories(made []string, dirs map[string]bool) error {
	modes := map[string]int64{}
	for _, s := range t.steps {
		if s.entry.Kind == Directory {
			modes[t.at(s.entry)] = s.entry.Mode
		}
	}
	for i := len(made) - 1; i >= 0; i-- {
		dirs[made[i]], dirs[path.Dir(made[i])] = true, true
		f, err := t.root.Open(made[i])
		if err != nil {
			return err
		}
		err = t.owner.set(f, nil, false)
		if err == nil {
			err = f.Chmod(toMode(modes[made[i]]))
		}
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) syncDirectories(dirs map[string]bool) error {
	if !canSyncDirectory {
		return nil
	}
	if len(dirs) > mostSynced && canSyncFileSystem {
		return syncFileSystem(t.root)
	}
	for dir := range dirs {
		f, err := t.root.Open(dir)
		if errors.Is(err, fs.ErrPermission) { // a new directory whose mode denies it to its owner
			continue
		}
		if err != nil {
			return err
		}
		err = f.Sync()
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// discard removes what is staged and the directories that were created.
func (t *Target) discard() {
	for _, name := range t.staged {
		_ = t.root.Remove(name) // those that were renamed are gone
	}
	for i := len(t.made) - 1; i >= 0; i-- {
		_ = t.root.Remove(t.made[i]) // fails if somebody has put something into it
	}
}

// tempPrefix begins the names of staged files.
const tempPrefix = ".warren-push-"

// sweep removes staged files of pushes that ended long ago without removing them, as after a
// loss of power.
func (t *Target) sweep(dir string) {
	d, err := t.root.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), tempPrefix) {
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
