package collect

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"warren/internal/files"
)

// The records of an archive that Archive writes and Read reads.
const (
	recordSize    = "WARREN.size"    // first: bytes of the archive before compression, about
	recordSum     = "WARREN.sha256"  // of the file before it, in hexadecimal
	recordFailed  = "WARREN.failed"  // why the file before it is of no use
	recordPath    = "WARREN.path"    // with recordMissing
	recordMissing = "WARREN.missing" // why there is no file
)

const (
	// maxReason bounds what a host says about a file.
	maxReason = 1024

	// maxPath bounds a path, and maxPaths all paths and reasons of an archive together.
	maxPath  = 4096
	maxPaths = 64 << 20

	// maxSize bounds the size that a host says.
	maxSize = 1 << 50

	// maxOverhead bounds what an archive has besides the content, for each file on average.
	maxOverhead = 8 << 10
)

// A File is a file of an archive, or a path that has none.
type File struct {
	Path    string // on the host
	Size    int64
	SHA256  [sha256.Size]byte
	ModTime time.Time // zero: not known
	Missing string    // why there is no file
	Failed  string    // why the file is of no use
}

// errArchive is the error of an archive that Archive has not written.
var errArchive = errors.New("the host did not send a valid archive")

func invalidArchive(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errArchive, fmt.Sprintf(format, args...))
}

// A Sink takes the files of an archive. A nil function takes nothing.
type Sink struct {
	// File reads the content of a file. Size and ModTime are known; Done follows.
	File func(f *File, content io.Reader) error

	// Done gets each file when all about it is known, and each path without a file. If File
	// has returned an error, f.Failed says so.
	Done func(f *File) error
}

// Read reads an archive that a host sent, which may be hostile: it takes paths that
// stay below a root, each once, at most maxSize bytes of files, and a file only with the
// SHA-256 that the host promised. An error ends the archive; what Done got before it is valid.
func Read(r io.Reader, maxSize int64, sink Sink) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return readError(err)
	}
	bounded := &boundedReader{r: zip, left: maxSize + files.MaxEntries*maxOverhead}
	a := archiveReader{in: tar.NewReader(bounded), left: maxSize, limit: maxSize, sink: sink, seen: map[string]bool{}}
	for {
		h, err := a.in.Next()
		if errors.Is(err, io.EOF) && a.open == nil {
			return a.end(zip)
		}
		if err != nil {
			return readError(err)
		}
		if err := a.header(h); err != nil {
			return err
		}
	}
}

// ArchiveSize returns how many bytes an archive has before compression, as its beginning says.
func ArchiveSize(start []byte) (size int64, ok bool) {
	zip, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return 0, false
	}
	h, err := tar.NewReader(io.LimitReader(zip, beginning)).Next()
	if err != nil {
		return 0, false
	}
	return sizeOf(h)
}

// beginning bounds the first header before compression.
const beginning = 4 << 10

// sizeOf returns the size that the first header says.
func sizeOf(h *tar.Header) (size int64, ok bool) {
	if h.Typeflag != tar.TypeXGlobalHeader {
		return 0, false
	}
	size, err := strconv.ParseInt(h.PAXRecords[recordSize], 10, 64)
	return size, err == nil && size >= 0 && size < maxSize
}

// A boundedReader fails after left bytes. A small archive may be huge when it is unpacked.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, invalidArchive("it is too large when it is unpacked")
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// readError says what is wrong with the bytes of an archive.
func readError(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalidArchive("it ends too early")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, tar.ErrHeader):
		return invalidArchive("%v", err)
	}
	return err
}

type archiveReader struct {
	in          *tar.Reader
	left, limit int64
	paths       int // bytes
	entries     int
	sink        Sink
	seen        map[string]bool

	open *File // a file whose last record has not come
}

// end verifies the checksum behind the archive.
func (a *archiveReader) end(zip io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(zip, 1<<20))
	switch {
	case err != nil:
		return readError(err)
	case n == 1<<20:
		return invalidArchive("something follows it")
	}
	return nil
}

func (a *archiveReader) header(h *tar.Header) error {
	if a.open != nil {
		return a.close(h)
	}
	if _, ok := sizeOf(h); ok && a.entries == 0 {
		return nil
	}
	if a.entries++; a.entries > files.MaxEntries {
		return invalidArchive("it has more than %d files", files.MaxEntries)
	}
	// Texts of a header are parts of it, and would keep the whole, which may be a large one.
	f := &File{Path: strings.Clone(h.Name), Size: h.Size, ModTime: h.ModTime}
	if year := h.ModTime.UTC().Year(); year < 1 || year > 9999 { // RFC 3339 has no other
		f.ModTime = time.Time{}
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeXGlobalHeader:
		f = &File{Path: strings.Clone(h.PAXRecords[recordPath]), Missing: strings.Clone(h.PAXRecords[recordMissing])}
		if f.Missing == "" || len(f.Missing) > maxReason {
			return invalidArchive("a path has no reason")
		}
	default:
		return invalidArchive("%.200q is not a file", h.Name)
	}
	if err := a.checkPath(f); err != nil {
		return err
	}
	f.Path = hostPath(f.Path)
	if f.Missing != "" {
		return a.done(f)
	}
	if f.Size > a.left {
		return invalidArchive("%.200q: the files are larger than --max-size (%d bytes)", f.Path, a.limit)
	}
	a.left -= f.Size
	a.open = f
	return a.content(f)
}

// checkPath refuses a path that Archive does not write.
func (a *archiveReader) checkPath(f *File) error {
	p := f.Path
	if a.paths += len(p) + len(f.Missing); a.paths > maxPaths || len(p) > maxPath {
		return invalidArchive("its paths are too long")
	}
	if p == "" || strings.Contains(p, "\x00") {
		return invalidArchive("the path %.200q is not a full path without ..", p)
	}
	for element := range strings.SplitSeq(p, "/") {
		if f.Missing == "" && (element == "" || element == "." || element == "..") {
			return invalidArchive("the path %.200q is not a full path without ..", p)
		}
	}
	if a.seen[p] {
		return invalidArchive("%.200q occurs twice", p)
	}
	a.seen[p] = true
	return nil
}

// hostPath returns the full path that a name in the archive stands for.
func hostPath(name string) string {
	if len(name) > 1 && name[1] == ':' {
		return name // C:/…
	}
	return "/" + name
}

// content reads the bytes of a file.
func (a *archiveReader) content(f *File) error {
	sum := sha256.New()
	content := &contentReader{r: io.TeeReader(a.in, sum)}
	if a.sink.File != nil {
		if err := a.sink.File(f, content); err != nil && content.err == nil {
			f.Failed = err.Error()
		}
	}
	if content.err == nil {
		_, _ = io.Copy(io.Discard, content)
	}
	if content.err != nil {
		return readError(content.err)
	}
	sum.Sum(f.SHA256[:0])
	return nil
}

// A contentReader keeps the error of the reader below it, other than io.EOF.
type contentReader struct {
	r   io.Reader
	err error
}

func (c *contentReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// close takes the record that follows a file.
func (a *archiveReader) close(h *tar.Header) error {
	f := a.open
	a.open = nil
	sum, failed := h.PAXRecords[recordSum], h.PAXRecords[recordFailed]
	if a.paths += len(failed); a.paths > maxPaths {
		return invalidArchive("its paths are too long")
	}
	switch {
	case h.Typeflag != tar.TypeXGlobalHeader || (sum == "") == (failed == "") || len(failed) > maxReason:
		return invalidArchive("%.200q has no SHA-256", f.Path)
	case failed != "":
		f.Failed = strings.Clone(failed)
	case sum != hex.EncodeToString(f.SHA256[:]):
		f.Failed = "its content does not match the SHA-256 that the host sent"
	}
	return a.done(f)
}

func (a *archiveReader) done(f *File) error {
	if a.sink.Done == nil {
		return nil
	}
	return a.sink.Done(f)
}
