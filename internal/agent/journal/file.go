package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A file has what the log needs of a file. Tests have one that loses unsynced writes.
type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Allocate extends the file from size from to size to with zeros that have space on
	// the disk. After an error, the file may be longer than before.
	Allocate(from, to int64) error
	Truncate(size int64) error
	// Sync returns when all writes and the size are on the disk.
	Sync() error
	Close() error
}

// A directory has the files of the log.
type directory interface {
	Path(name string) string
	Open(name string) (file, error)   // fs.ErrNotExist
	Create(name string) (file, error) // empties an existing file
	Remove(name string) error
	// Replace renames the file made from from to to, in place of old, which it closes; a
	// nil old means that there is none. It returns the open file with the name to: old
	// after an error, or nil if there is none.
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

// zeroBlock is how many bytes writeZeros writes at a time.
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

// closing closes f and adds its error to err.
func closing(f io.Closer, err error) error {
	if cerr := f.Close(); cerr != nil && !errors.Is(cerr, os.ErrClosed) {
		return errors.Join(err, cerr)
	}
	return err
}
