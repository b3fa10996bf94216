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
	root    *os.Root // nil: the directory is missing, and is not created
	prefix  string   // of the target below root
	owner   owner
	steps   []step
}

// A step is what becomes of one entry.
type step struct {
	entry   *Entry
	status  string
	exists  fs.FileInfo // what is there; nil: nothing
	content bool        // the file's content must be written
	stage   string      // the temporary name of the new file or symlink
	made    fs.FileInfo // a new directory
	done    bool        // it has its owner and mode
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
		if err := makeAll(host{}, parent); err != nil {
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
		return makeAll(t.root, parent)
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

// A directories is where directories are created: below an *os.Root, or anywhere.
type directories interface {
	Stat(name string) (fs.FileInfo, error)
	MkdirAll(name string, mode fs.FileMode) error
	Open(name string) (*os.File, error)
}

// host is the directories of the whole host, by their full paths.
type host struct{}

func (host) Stat(name string) (fs.FileInfo, error)        { return os.Stat(name) }
func (host) MkdirAll(name string, mode fs.FileMode) error { return os.MkdirAll(name, mode) }
func (host) Open(name string) (*os.File, error)           { return os.Open(name) }

// makeAll creates a directory with those above it, and writes their names to the disk.
func makeAll(d directories, name string) error {
	var changed []string
	for missing, above := name, filepath.Dir(name); above != missing; missing, above = above, filepath.Dir(above) {
		if _, err := d.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		changed = append(changed, above)
	}
	if err := d.MkdirAll(name, 0o755); err != nil {
		return err
	}
	for _, dir := range changed {
		if err := syncDirectory(d, dir); err != nil {
			return err
		}
	}
	return nil
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
	mode, owner := sameMode(s.exists, t.mode(s.entry)), t.owner.isOf(s.exists)
	if mode && owner {
		s.status = Same
	}
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
