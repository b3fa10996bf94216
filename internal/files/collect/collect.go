package collect

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"warren/internal/files"
	"warren/internal/windowsname"
)

var (
	// ErrTooLarge means that the files of a collect are larger than the operator permits.
	ErrTooLarge = errors.New("larger than --max-size")

	// ErrArchiveTooLarge means that the archive of a collect is larger than the host keeps.
	ErrArchiveTooLarge = errors.New("the compressed files are larger than this host can keep until they are sent")

	// ErrTooManyFiles means that a collect has more than files.MaxEntries files.
	ErrTooManyFiles = fmt.Errorf("more than %d files", files.MaxEntries)

	errPathsTooLong = fmt.Errorf("the paths of the files have more than %d bytes together", maxPaths)
)

// A Request says what Archive writes.
type Request struct {
	Paths      []string // full paths; they may have wildcards
	Within     string   // no path and no symbolic link leads out of this directory; empty: no limit
	MaxSize    int64    // of all files together
	MaxArchive int64    // of the archive
}

// smallFile is the size up to which a file is read as a whole before its size is sent. Files
// of /proc and /sys have another size than they say.
const smallFile = 1 << 20

// Archive writes an archive of files: a tar archive, compressed by gzip. It begins with how
// large it is before compression. After each file follow its SHA-256 or the reason why it is of no
// use. A path without a match is an entry of its own.
func Archive(ctx context.Context, what Request, w io.Writer) error {
	zip, err := gzip.NewWriterLevel(&limitedWriter{w: w, left: what.MaxArchive, limit: what.MaxArchive}, gzip.BestSpeed)
	if err != nil {
		return err
	}
	defer func() { _ = zip.Close() }() // the files before an error are kept
	c := collector{ctx: ctx, left: what.MaxSize, limit: what.MaxSize, out: tar.NewWriter(zip), seen: map[string]bool{}}
	survey := collector{ctx: ctx, left: what.MaxSize, onlySize: true, seen: map[string]bool{}}
	if survey.collectAll(what) == nil { // otherwise the archive says why
		size := map[string]string{recordSize: strconv.FormatInt(survey.size, 10)}
		if err := errors.Join(c.record(size), c.out.Flush(), zip.Flush()); err != nil {
			return err
		}
	}
	if err := c.collectAll(what); err != nil {
		return err
	}
	return errors.Join(c.out.Close(), zip.Close())
}

func (c *collector) collectAll(what Request) error {
	for _, p := range what.Paths {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("%q is not a full path", p)
		}
		if err := c.collect(filepath.Clean(p), what.Within); err != nil {
			return err
		}
	}
	return nil
}

// A limitedWriter refuses more bytes than left.
type limitedWriter struct {
	w           io.Writer
	left, limit int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, fmt.Errorf("%w: %d bytes, half of the free space of its disk or of --collect-size (warrend); collect fewer files at a time", ErrArchiveTooLarge, l.limit)
	}
	l.left -= int64(len(p))
	return l.w.Write(p)
}

type collector struct {
	ctx         context.Context //nolint:containedctx // of one Archive
	left, limit int64
	entries     int
	waiting     int // names in the directories that are being added
	paths       int // bytes of names and reasons
	out         *tar.Writer
	seen        map[string]bool // names in the archive

	onlySize bool  // add up what the archive will have, and open no file
	size     int64 // bytes
}

// isDevice is why a path is missing.
const isDevice = "a device, a socket or a pipe"

// collect adds the files that match one path.
func (c *collector) collect(pattern, within string) error {
	if runtime.GOOS == "windows" {
		if err := windowsname.CheckPrefix(pattern); err != nil {
			return err
		}
		if windowsname.HasDevice(pattern) {
			return c.missing(pattern, isDevice)
		}
	}
	base := filepath.VolumeName(pattern) + string(filepath.Separator)
	if within != "" {
		base = filepath.Clean(within)
	}
	rel, err := filepath.Rel(base, pattern)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%q is not below %q", pattern, base)
	}
	t := tree{base: base}
	if within != "" {
		if t.root, err = os.OpenRoot(base); err != nil {
			return err
		}
		defer t.root.Close()
	}
	matches := []string{rel}
	if hasWildcard(rel) {
		if matches, err = t.glob(c.ctx, rel); err != nil {
			return fmt.Errorf("%q: %w", pattern, err)
		}
	}
	if len(matches) == 0 {
		return c.missing(pattern, "no file matches")
	}
	for _, m := range matches {
		if err := c.add(t, m); err != nil {
			return err
		}
	}
	return nil
}

// add adds a file, or a directory with what is in it.
func (c *collector) add(t tree, name string) error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	shown := filepath.Join(t.base, name)
	if n := len(archiveName(shown)); n > maxPath {
		return c.missing(shown, fmt.Sprintf("its path has %d bytes, and the limit is %d", n, maxPath))
	}
	info, err := t.stat(name) // before it is opened: that waits for the other end of a pipe
	switch {
	case err != nil:
		return c.missing(shown, files.Cause(err).Error())
	case info.IsDir():
		return c.addDirectory(t, name)
	case !info.Mode().IsRegular():
		return c.missing(shown, isDevice)
	case c.seen[archiveName(shown)]:
		return nil
	case c.onlySize:
		return errors.Join(c.enter(archiveName(shown)), c.count(info.Size()))
	}
	f, err := t.open(name)
	if err != nil {
		return c.missing(shown, files.Cause(err).Error())
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		return c.missing(shown, "it was replaced while it was opened")
	}
	return c.addFile(f, info, shown)
}

// addDirectory adds what is in a directory.
func (c *collector) addDirectory(t tree, name string) error {
	names, unreadable, err := t.names(c.ctx, name, files.MaxEntries-c.waiting, func(e fs.DirEntry) bool {
		// A link may lead back to a directory above.
		return e.Type()&fs.ModeSymlink == 0 && (e.Type()&fs.ModeIrregular == 0 || !isJunction(t, filepath.Join(name, e.Name())))
	})
	if err != nil {
		return fmt.Errorf("%q: %w", filepath.Join(t.base, name), err)
	}
	if unreadable != nil {
		return c.missing(filepath.Join(t.base, name), files.Cause(unreadable).Error())
	}
	c.waiting += len(names)
	defer func() { c.waiting -= len(names) }()
	for _, n := range names {
		if err := c.add(t, filepath.Join(name, n)); err != nil {
			return err
		}
	}
	return nil
}

// isJunction reports whether what is no directory of its own leads to one, as a junction of Windows.
func isJunction(t tree, name string) bool {
	info, err := t.stat(name)
	return err == nil && info.IsDir()
}

// addFile adds the content of a file, as long as it was when it was opened.
func (c *collector) addFile(f io.Reader, info fs.FileInfo, shown string) error {
	size := info.Size()
	var start []byte
	if size <= smallFile {
		var err error
		if start, err = io.ReadAll(io.LimitReader(f, smallFile+1)); err != nil {
			return c.missing(shown, files.Cause(err).Error())
		}
		switch n := int64(len(start)); {
		case n > smallFile && size == 0:
			return c.missing(shown, "it does not say how long it is")
		case size == 0 || n < size:
			size = n
		default:
			start = start[:size]
		}
	}
	if err := c.enter(archiveName(shown)); err != nil {
		return err
	}
	if size > c.left {
		return fmt.Errorf("%q: the files are %w (%d bytes)", shown, ErrTooLarge, c.limit)
	}
	c.left -= size
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: archiveName(shown), Size: size, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime().Truncate(time.Second), Format: tar.FormatPAX,
	}
	if err := c.out.WriteHeader(h); err != nil {
		return err
	}
	sum := sha256.New()
	if start != nil {
		sum.Write(start)
		if _, err := c.out.Write(start); err != nil {
			return err
		}
		return c.record(map[string]string{recordSum: hex.EncodeToString(sum.Sum(nil))})
	}
	reason, err := c.copy(f, size, sum)
	if err != nil {
		return err
	}
	if reason != "" {
		return errors.Join(c.lengthen(len(reason)), c.record(map[string]string{recordFailed: reason}))
	}
	return c.record(map[string]string{recordSum: hex.EncodeToString(sum.Sum(nil))})
}

// copy writes size bytes. Zeros replace what cannot be read; then there is a reason.
func (c *collector) copy(f io.Reader, size int64, sum hash.Hash) (reason string, err error) {
	buffer := make([]byte, 64<<10)
	for left := size; left > 0; {
		if err := context.Cause(c.ctx); err != nil {
			return "", err
		}
		part := buffer[:min(left, int64(len(buffer)))]
		if reason == "" {
			n, err := f.Read(part)
			switch {
			case n > 0:
				part = part[:n]
			case errors.Is(err, io.EOF):
				reason = fmt.Sprintf("it became shorter while it was read, after %d bytes", size-left)
			case err != nil:
				reason = files.Cause(err).Error()
			}
		}
		if reason != "" {
			clear(part)
		}
		sum.Write(part)
		if _, err := c.out.Write(part); err != nil {
			return "", err
		}
		left -= int64(len(part))
	}
	return reason, nil
}

// count adds what a file takes in the archive before compression. It stops where the archive would.
func (c *collector) count(size int64) error {
	if c.left -= size; c.left < 0 {
		return ErrTooLarge
	}
	c.size += size + entrySize
	return nil
}

// entrySize bounds what an entry has besides the content: three blocks of headers, and the padding
// of the content and of the records.
const entrySize = 5 * 512

// missing adds a path without a file, with the reason.
func (c *collector) missing(path, reason string) error {
	name := shortened(archiveName(path))
	if c.seen[name] {
		return nil
	}
	reason = clip(reason)
	if err := errors.Join(c.enter(name), c.lengthen(len(reason))); err != nil {
		return err
	}
	if c.onlySize {
		return c.count(0)
	}
	return c.record(map[string]string{recordPath: name, recordMissing: reason})
}

// enter notes the name of an entry of the archive.
func (c *collector) enter(name string) error {
	c.seen[name] = true
	if c.entries++; c.entries > files.MaxEntries {
		return ErrTooManyFiles
	}
	return c.lengthen(len(name))
}

// lengthen bounds the names and reasons of an archive together.
func (c *collector) lengthen(n int) error {
	if c.paths += n; c.paths > maxPaths {
		return errPathsTooLong
	}
	return nil
}

// shortened returns a path, or of one that is too long for an archive the beginning, and what tells it
// from others.
func shortened(path string) string {
	if len(path) <= maxPath {
		return path
	}
	sum := sha256.Sum256([]byte(path))
	return fmt.Sprintf("%s…%x", path[:maxPath-64], sum[:8])
}

// clip bounds a reason.
func clip(reason string) string { return strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "") }

func (c *collector) record(records map[string]string) error {
	return c.out.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: records})
}

// archiveName returns a full path with slashes and without the first one.
func archiveName(p string) string { return strings.TrimLeft(filepath.ToSlash(p), "/") }
