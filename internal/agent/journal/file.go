package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A file is what the log needs of one; tests have one that loses what was not
// synced.
type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Allocate extends the file from size from to size to with zeros for which
	// the disk has room. After an error it may be longer than it was.
	Allocate(from, to int64) error
	Truncate(size int64) error
	// Sync returns when all that was written, and the size, is on the disk.
	Sync() error
	Close() error
}

// A directory is where the log's files are.
type directory interface {
	Path(name string) string
	Open(name string) (file, error)   // fs.ErrNotExist
	Create(name string) (file, error) // empties what is there
	Remove(name string) error
	// Replace gives made, which is called from, the name to, in place of old
	// (nil: there is none), which it closes. It returns the file that is open
	// as to from then on: old again after an error, or nil where there is none.
	Replace(made file, from, to string, old file) (file, error)
	// Sync returns when the names are on the disk.
	Sync() error
}

type osDir string

func (d osDir) Path(name string) string { return filepath.Join(string(d), name) }

func (d osDir) Open(name string) (file, error) {
	f, err := os.OpenFile(d.Path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDir) Create(name string) (file, error) {
	f, err := os.OpenFile(d.Path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDir) Remove(name string) error { return os.Remove(d.Path(name)) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// zeroBlock is how much writeZeros writes at once.
const zeroBlock = 64 << 10

// writeZeros fills the file from from to to.
func writeZeros(f io.WriterAt, from, to int64) error {
	block := make([]byte, min(zeroBlock, max(to-from, 0)))
	for from < to {
		n, err := f.WriteAt(block[:min(int64(len(block)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// closing adds the error of closing f to err.
func closing(f io.Closer, err error) error {
	if cerr := f.Close(); cerr != nil && !errors.Is(cerr, os.ErrClosed) {
		return errors.Join(err, cerr)
	}
	return err
}
