package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"syscall"
)

// Options say how a push writes its files.
type Options struct {
	Path      string // of the target: a full path
	Within    string // the directory that the host permits, see confined.go; empty: any
	Mode      int64  // of files, instead of that in the manifest; 0: that
	Owner     string // USER[:GROUP]; empty: that of a replaced file, or the user who writes
	Backup    bool   // keep a replaced file as NAME~
	Mkdir     bool   // create the directory of the target
	CheckOnly bool   // write nothing
}

// A Target is where a push writes on this host. Close it.
type Target struct {
	options Options
	root    *os.Root
	prefix  string   // of the target below root
	missing []string // directories that Options.Mkdir creates, below root, outermost first
	owner   owner
	steps   []step
	sync    func(*os.File) error
}

// A step is what becomes of one entry.
type step struct {
	entry   *Entry
	status  string
	exists  fs.FileInfo // what is there; nil: nothing
	content bool        // the file's content must be written
	equal   bool        // the file has the content
	stage   string      // the temporary name of the new file or symlink
	made    fs.FileInfo // the new file, symlink or directory
	done    bool        // the new directory has its owner and mode
	placed  bool        // the new file or symlink has its name
}

// Open compares a manifest with this host. It writes nothing.
func Open(m *Manifest, o Options) (*Target, error) {
	t := &Target{options: o, sync: (*os.File).Sync}
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
	if runtime.GOOS == "windows" && filepath.IsAbs(t.options.Path) {
		if err := CheckWindowsNames(m, t.options.Path); err != nil {
			return err
		}
	}
	if t.options.Within != "" {
		if err := t.checkConfined(m); err != nil {
			return err
		}
	}
	if err := t.openRoot(m); err != nil {
		return err
	}
	for i := range m.Entries {
		s := step{entry: &m.Entries[i], status: Created, content: m.Entries[i].Kind == File}
		if err := t.compare(&s); err != nil {
			return t.named(&s, err)
		}
		t.steps = append(t.steps, s)
	}
	return t.checkBackups()
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
	if !into && (single || err != nil || !info.IsDir()) {
		parent = filepath.Dir(target)
	}
	above := parent
	if o.Mkdir {
		for _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) && filepath.Dir(above) != above; _, err = os.Stat(above) {
			above = filepath.Dir(above)
		}
	}
	if t.root, err = os.OpenRoot(above); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no such directory %q (--mkdir creates it)", parent)
	} else if err != nil {
		return err
	}
	if t.prefix, err = relative(above, target); err != nil {
		return err
	}
	if parent, err = relative(above, parent); err != nil {
		return err
	}
	return t.findMissing(parent)
}

// relative returns the path of a target below a directory, with slashes.
func relative(dir, target string) (string, error) {
	rel, err := filepath.Rel(dir, target)
	if err == nil && !filepath.IsLocal(rel) {
		err = fmt.Errorf("%q is not below %q", target, dir)
	}
	return filepath.ToSlash(rel), err
}

// findMissing lists the directories that are to be created for parent, a path below the root.
func (t *Target) findMissing(parent string) error {
	for dir := parent; dir != "."; dir = path.Dir(dir) {
		switch _, err := t.root.Stat(dir); {
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return err
		case !t.options.Mkdir:
			return fmt.Errorf("no such directory %q (--mkdir creates it)", filepath.Join(t.root.Name(), filepath.FromSlash(parent)))
		}
		t.missing = append([]string{dir}, t.missing...)
	}
	return nil
}

// openWithin opens the directory that the host permits.
func (t *Target) openWithin(target string, into bool) (err error) {
	within := filepath.Clean(t.options.Within)
	if t.prefix, err = relative(within, target); err != nil {
		return err
	}
	if t.root, err = os.OpenRoot(within); err != nil {
		return err
	}
	parent := t.prefix
	if !into {
		parent = path.Dir(t.prefix)
	}
	return t.findMissing(parent)
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
	info, err := t.root.Lstat(t.at(e))
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
	if err := t.compareFile(s); err != nil || s.status != Replaced {
		return err
	}
	return t.checkReadOnly(info, s)
}

// checkReadOnly refuses a file that Windows does not replace. On other systems, the mode of
// the directory decides.
func (t *Target) checkReadOnly(info fs.FileInfo, s *step) error {
	if runtime.GOOS == "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o200 == 0 {
		return fmt.Errorf("%q is read-only (attrib -r makes it writable)", t.shown(s.entry))
	}
	return nil
}

// compareDirectory accepts a directory as it is, and a symbolic link to one if the push is
// not confined.
func (t *Target) compareDirectory(s *step) error {
	if t.options.Within != "" && s.exists.Mode()&fs.ModeSymlink != 0 && s.entry.Name() != "." {
		return fmt.Errorf("%q is a symbolic link, and this key may not write through it: the path of each directory must be its real one", t.shown(s.entry))
	}
	info, err := t.root.Stat(t.at(s.entry))
	switch {
	case err != nil && s.exists.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%q is a symbolic link that leads out of the directory of the push, or to nothing: push to the directory where it leads: %w", t.shown(s.entry), Cause(err))
	case err != nil:
		return err
	case !info.IsDir():
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
	if err == nil && filepath.ToSlash(link) == string(s.entry.Link) {
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
	case mode.IsDir() && s.entry.Name() == ".":
		return fmt.Errorf("%q is a directory (end --to with a slash to push into it)", t.shown(s.entry))
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
	f, err := openRegular(t.root, t.at(s.entry))
	if err != nil {
		return nil //nolint:nilerr // a file that cannot be read is replaced
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !os.SameFile(info, s.exists) {
		return nil //nolint:nilerr // it was exchanged just now: Write looks again
	}
	h := sha256.New()
	if n, err := io.Copy(h, f); err != nil || n != s.entry.Size || !bytes.Equal(h.Sum(nil), s.entry.SHA256) {
		return nil //nolint:nilerr // as above
	}
	mode, owner := sameMode(s.exists, t.mode(s.entry)), t.owner.isOf(s.exists)
	if mode && owner {
		s.status = Same
	}
	s.equal = true
	// One of both is changed in place, unless the file has another name, which may be anywhere.
	s.content = s.status != Same && (!mode && !owner || hasOtherNames(s.exists))
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
	w := &writing{Target: t, syncEach: t.syncsEach()}
	err := w.stage(ctx, content)
	if err == nil {
		err = context.Cause(ctx) // canceled during the last content or its sync
	}
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.discard()
	}
	return err
}

// spacePerEntry is what an entry needs besides its content, at most.
const spacePerEntry = 4096

// checkSpace refuses a push for which the file system has no room.
func (t *Target) checkSpace() error {
	need := map[string]int64{} // by directory, of which each is of another file system
	disks := newDisks(t.root)
	for _, s := range t.steps {
		if s.content {
			need[disks.of(path.Dir(t.at(s.entry)))] += s.entry.Size + spacePerEntry
		}
	}
	for dir, n := range need {
		if free, ok := freeSpace(t.root, dir); ok && free < n {
			return fmt.Errorf("no space: %d bytes are needed, %d are free", n, free)
		}
	}
	return nil
}

// FreeSpace returns how many bytes the file system of a directory has for this user, if that
// is known.
func FreeSpace(dir string) (free int64, ok bool) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, false
	}
	defer root.Close()
	return freeSpace(root, ".")
}

// disks finds the file systems of directories: others may be mounted below the root.
type disks struct {
	root  *os.Root
	known map[string]string // by directory
	first map[uint64]string // by device
}

func newDisks(root *os.Root) *disks {
	return &disks{root, map[string]string{}, map[uint64]string{}}
}

// of returns a directory that stands for the file system of a directory, which may not exist yet.
func (d *disks) of(dir string) string {
	if known, ok := d.known[dir]; ok {
		return known
	}
	found := "."
	info, err := d.root.Stat(dir)
	switch {
	case err == nil:
		device := deviceOf(info)
		if _, ok := d.first[device]; !ok {
			d.first[device] = dir
		}
		found = d.first[device]
	case dir != ".":
		found = d.of(path.Dir(dir))
	}
	d.known[dir] = found
	return found
}

// syncAll writes everything to the disk that the file systems of the directories have.
func (d *disks) syncAll(dirs iter.Seq[string]) error {
	synced := map[string]bool{}
	for dir := range dirs {
		if dir = d.of(dir); synced[dir] {
			continue
		}
		synced[dir] = true
		if err := syncFileSystem(d.root, dir); err != nil {
			return err
		}
	}
	return nil
}

// openRegular opens what is regular or a directory. A pipe that somebody else has put there meanwhile
// does not block it.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unblocked, 0)
	if errors.Is(err, syscall.EWOULDBLOCK) { // another program, such as Samba, has a lease of the file and gives it up
		return root.Open(name)
	}
	return f, err
}
