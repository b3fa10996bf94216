// Package archive keeps what hosts have sent of a collect: beside the database, a file for each
// job, which is as large as the host makes it. The database says which parts of a file are
// there. A part is written before the transaction that says so, and a file is synced before
// its last part counts: after a loss of power, a file that lacks something is not taken for
// a whole one.
package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"warren/internal/hint"
	"warren/internal/operator/model"
)

// DirName is the name of the directory beside the database.
const DirName = "collected"

// suffix ends the names of the files.
const suffix = ".tar.gz"

// A Dir is the directory of the archives.
type Dir string

func (d Dir) path(job uuid.UUID) string { return filepath.Join(string(d), job.String()+suffix) }

// Read calls each with the bytes of a part of a job's archive, in order, until each returns
// false. The bytes are valid until the next call.
func (d Dir) Read(job uuid.UUID, from, to int64, each func(offset int64, data []byte) bool) (more bool, err error) {
	f, err := os.Open(d.path(job))
	if err != nil {
		return false, damaged(err)
	}
	defer f.Close()
	buffer := make([]byte, 256<<10)
	for from < to {
		data := buffer[:min(to-from, int64(len(buffer)))]
		if _, err := f.ReadAt(data, from); err != nil {
			return false, damaged(err)
		}
		if !each(from, data) {
			return false, nil
		}
		from += int64(len(data))
	}
	return true, nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", model.ErrArchiveDamaged, err)
	}
	return err
}

// A Writer has those files open that a transaction writes to.
type Writer struct {
	dir  Dir
	open map[uuid.UUID]*os.File
}

// NewWriter returns a Writer without open files.
func (d Dir) NewWriter() *Writer { return &Writer{dir: d, open: map[uuid.UUID]*os.File{}} }

// Write writes a part of a job's archive.
func (w *Writer) Write(job uuid.UUID, offset int64, data []byte) error {
	f, err := w.file(job)
	if err == nil {
		_, err = f.WriteAt(data, offset)
	}
	return w.explain(err)
}

// Size returns the size of a job's archive.
func (w *Writer) Size(job uuid.UUID) (int64, error) {
	f, err := w.file(job)
	if err != nil {
		return 0, w.explain(err)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, w.explain(err)
	}
	return info.Size(), nil
}

// Sync writes a job's archive to the disk.
func (w *Writer) Sync(job uuid.UUID) error {
	f, err := w.file(job)
	if err == nil {
		err = f.Sync()
	}
	return w.explain(err)
}

// maxOpen bounds the files that are open at the same time.
const maxOpen = 64

func (w *Writer) file(job uuid.UUID) (*os.File, error) {
	if f := w.open[job]; f != nil {
		return f, nil
	}
	if len(w.open) == maxOpen {
		if err := w.Close(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(w.dir.path(job), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(string(w.dir), 0o700); err == nil {
			f, err = os.OpenFile(w.dir.path(job), os.O_CREATE|os.O_RDWR, 0o600)
		}
	}
	if err == nil {
		w.open[job] = f
	}
	return f, err
}

// Close closes the files.
func (w *Writer) Close() (err error) {
	for job, f := range w.open {
		err = errors.Join(err, f.Close())
		delete(w.open, job)
	}
	return err
}

// explain adds what a person can do.
func (w *Writer) explain(err error) error {
	if err == nil {
		return nil
	}
	return hint.Errorf(fmt.Sprintf("free space in %s: nothing is lost, and the hosts send the rest when there is room", w.dir), "cannot store a collected archive: %w", err)
}

// Remove removes the archive of a job, if there is one and the system permits it.
func (d Dir) Remove(job uuid.UUID) { _ = os.Remove(d.path(job)) }
