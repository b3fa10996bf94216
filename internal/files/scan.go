package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
)

// ErrChanged means that a source has changed since it was scanned.
var ErrChanged = errors.New("it changed while it was read")

// A Source is the files of the operator that a manifest lists.
type Source struct {
	Manifest Manifest
	Text     []byte            // of the manifest
	Digest   [sha256.Size]byte // of the text
	Paths    []string          // of the operator's files, in the order of the manifest; empty for other kinds
}

// Scan reads the files and directories at paths. With into, they go into the target under
// their base names; otherwise the one of paths is the target itself. It ends with ctx.
func Scan(ctx context.Context, paths []string, into bool) (*Source, error) {
	s := new(Source)
	for _, p := range paths {
		name := "."
		if into {
			full, err := filepath.Abs(p)
			if err != nil {
				return nil, err
			}
			if name = filepath.Base(full); name == string(filepath.Separator) || strings.HasSuffix(name, `:\`) {
				return nil, fmt.Errorf("%s has no name to put it under", p)
			}
		}
		if err := s.add(ctx, p, name, true); err != nil {
			return nil, err
		}
	}
	return s, s.finish()
}

// finish encodes the manifest.
func (s *Source) finish() (err error) {
	if s.Text, err = s.Manifest.Encode(); err != nil {
		return err
	}
	s.Digest = sha256.Sum256(s.Text)
	return nil
}

// Compare returns an error that names what differs from an earlier manifest with the digest.
// Its text is nil if it is not known.
func (s *Source) Compare(text, digest []byte) error {
	if bytes.Equal(s.Digest[:], digest) {
		return nil
	}
	if text == nil {
		return errors.New("the files have changed since the push")
	}
	earlier, err := Decode(text)
	if err != nil {
		return err
	}
	was := make(map[string]*Entry, len(earlier.Entries))
	for i := range earlier.Entries {
		was[earlier.Entries[i].Name()] = &earlier.Entries[i]
	}
	for i := range s.Manifest.Entries {
		e := &s.Manifest.Entries[i]
		old := was[e.Name()]
		delete(was, e.Name())
		switch {
		case old == nil:
			return fmt.Errorf("%q is new since the push", s.shown(i))
		case !reflect.DeepEqual(*e, *old):
			return fmt.Errorf("%q has changed since the push", s.shown(i))
		}
	}
	for i := range earlier.Entries {
		if e := &earlier.Entries[i]; was[e.Name()] != nil {
			return fmt.Errorf("%q is missing since the push", e.Path)
		}
	}
	return errors.New("the order of the files has changed since the push")
}

// shown is the operator's name of an entry.
func (s *Source) shown(i int) string {
	if s.Paths[i] != "" {
		return s.Paths[i]
	}
	return s.Manifest.Entries[i].Name()
}

// add adds what is at file to the manifest, under name. A symbolic link that the operator
// names is followed; one in a directory is kept.
func (s *Source) add(ctx context.Context, file, name string, follow bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if len(s.Manifest.Entries) >= MaxEntries {
		return fmt.Errorf("more than %d files", MaxEntries)
	}
	stat := os.Lstat
	if follow {
		stat = os.Stat
	}
	info, err := stat(file)
	if err != nil {
		return err
	}
	e := Entry{Path: []byte(name), Mode: sourceMode(info)}
	switch {
	case info.IsDir():
		e.Kind = Directory
		s.append(e, "")
		return s.addDirectory(ctx, file, name)
	case info.Mode().IsRegular():
		e.Kind = File
		if e.Size, e.SHA256, err = digestFile(ctx, file); err != nil {
			return err
		}
		s.append(e, file)
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(file)
		if err != nil {
			return err
		}
		e.Kind, e.Mode, e.Link = Symlink, 0, []byte(filepath.ToSlash(link))
		s.append(e, "")
	case info.Mode()&fs.ModeIrregular != 0:
		return fmt.Errorf("%s is a junction, or of another kind that cannot be pushed", file)
	default:
		return fmt.Errorf("%s is a device, a socket or a pipe", file)
	}
	return nil
}

func (s *Source) addDirectory(ctx context.Context, file, name string) error {
	entries, err := os.ReadDir(file) // sorted
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.add(ctx, filepath.Join(file, e.Name()), path.Join(name, e.Name()), false); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) append(e Entry, file string) {
	s.Manifest.Entries = append(s.Manifest.Entries, e)
	s.Paths = append(s.Paths, file)
}

// sourceMode returns the mode of a file. Windows has none, so that its files get the usual one.
func sourceMode(info fs.FileInfo) int64 {
	switch {
	case runtime.GOOS != "windows":
		return fromMode(info.Mode())
	case info.IsDir():
		return 0o755
	}
	return 0o644
}

func digestFile(ctx context.Context, file string) (size int64, sum []byte, err error) {
	f, err := openSource(file)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	return digest(ctx, f, file)
}

// digest reads a file. Its error is ErrChanged if the file changes meanwhile.
func digest(ctx context.Context, f fs.File, name string) (size int64, sum []byte, err error) {
	before, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	if !before.Mode().IsRegular() {
		return 0, nil, fmt.Errorf("%s is not a regular file", name)
	}
	h := sha256.New()
	n, err := io.Copy(h, Stoppable{ctx, f})
	if err != nil {
		return 0, nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	if n != before.Size() || after.Size() != n || !after.ModTime().Equal(before.ModTime()) {
		return 0, nil, fmt.Errorf("%s: %w", name, ErrChanged)
	}
	return n, h.Sum(nil), nil
}

// Stoppable is a reader that ends with Context, and then returns its cause.
type Stoppable struct {
	Context context.Context //nolint:containedctx // of one file
	io.Reader
}

// Read implements io.Reader.
func (s Stoppable) Read(p []byte) (int, error) {
	if err := context.Cause(s.Context); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

// openSource does not block if the file was replaced by a pipe.
func openSource(file string) (*os.File, error) {
	return os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Size returns the size of the content.
func (s *Source) Size() int64 { return s.Manifest.Size() }

// A Content reads the content of a source from an offset on. Close it.
type Content struct {
	source *Source
	index  int // of the next entry to open
	skip   int64
	file   *os.File
	left   int64     // of file
	sum    hash.Hash // nil if the file is read from its middle
	name   string
	want   []byte
	err    error // of a file that was read to its end
}

// Open returns the content from an offset on.
func (s *Source) Open(offset int64) *Content { return &Content{source: s, skip: offset} }

// Read returns ErrChanged if a file is not what it was when it was scanned: behind the content of
// the file, since a reader that has all it wants takes no notice of an error that comes with it.
func (c *Content) Read(p []byte) (int, error) {
	for c.file == nil {
		if c.err != nil {
			return 0, c.err
		}
		if c.index == len(c.source.Paths) {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.file.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF) && c.left > 0:
		return n, fmt.Errorf("%s: %w", c.name, ErrChanged)
	case err != nil && !errors.Is(err, io.EOF):
		return n, err
	case c.left == 0:
		c.err = c.end()
	}
	return n, nil
}

// next opens the next file with content after the offset.
func (c *Content) next() error {
	i := c.index
	c.index++
	e := &c.source.Manifest.Entries[i]
	if e.Kind != File || e.Size <= c.skip {
		c.skip -= min(c.skip, e.Size)
		return nil
	}
	f, err := openSource(c.source.Paths[i])
	if err != nil {
		return err
	}
	c.file, c.left, c.name, c.want, c.sum = f, e.Size-c.skip, c.source.Paths[i], e.SHA256, nil
	if c.skip == 0 {
		c.sum = sha256.New()
		return nil
	}
	_, err = f.Seek(c.skip, io.SeekStart)
	c.skip = 0
	return err
}

// end closes a file that was read to its end.
func (c *Content) end() error {
	err := c.file.Close()
	c.file = nil
	if err == nil && c.sum != nil && !bytes.Equal(c.sum.Sum(nil), c.want) {
		return fmt.Errorf("%s: %w", c.name, ErrChanged)
	}
	return err
}

// Close closes the file that is being read.
func (c *Content) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// Spool writes standard input to a file in dir, from which it is pushed. Remove it afterwards.
func Spool(in io.Reader, dir string) (file string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, in)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

const spoolPattern = "push-stdin-*"

// SweepSpool removes spooled files that a killed process has left.
func SweepSpool(dir string) {
	left, _ := fs.Glob(os.DirFS(dir), spoolPattern) // the pattern is right
	for _, name := range left {
		file := filepath.Join(dir, name)
		if info, err := os.Lstat(file); err == nil && isStale(info) {
			_ = os.Remove(file) // if it stays, it only takes space
		}
	}
}
