package journal

import (
	"errors"
	"io/fs"

	"warren/internal/datadir"
)

const (
	fileName = "journal.log"
	newName  = "journal.log.new" // while it is being made
	lockName = "journal.lock"
)

// A writer is the state of the file. Open uses it, then Run alone.
type writer struct {
	dir       directory
	path      string
	f         file
	header    header
	seed      uint32
	end       int64 // behind the last frame
	synced    int64 // up to here the file is known to be on the disk
	allocated int64 // up to here the disk has allocated space; at least end
	reserve   int64
	ahead     int64  // how much is allocated in advance
	marked    bool   // nothing was written after the last mark
	broken    error  // why the state of the file is unknown
	buf       []byte // reused
}

// create creates a new journal. The file gets its name when it is complete and on the disk.
func (w *writer) create(h header) error {
	h.version = version
	w.header = h
	f, err := w.dir.Create(newName)
	if err != nil {
		return explain(w.path, "create", err)
	}
	b, seed := h.encode()
	if err = f.Allocate(0, headerSize+w.reserve+w.ahead); err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return explain(w.path, "create", errors.Join(closing(f, err), w.dir.Remove(newName)))
	}
	if w.f, err = w.dir.Replace(f, newName, fileName, nil); err == nil {
		err = w.dir.Sync()
	}
	if err != nil {
		return explain(w.path, "create", err)
	}
	w.seed, w.end, w.synced, w.allocated = seed, headerSize, headerSize, headerSize+w.reserve+w.ahead
	return nil
}

// open opens an existing file; the error is fs.ErrNotExist if there is none.
func (w *writer) open(yield func([]byte) error) (found, error) {
	f, err := w.dir.Open(fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, err
	}
	if err != nil {
		return found{}, explain(w.path, "open", err)
	}
	w.f = f
	r, err := replay(w.path, f, yield)
	if err != nil {
		return found{}, err
	}
	w.header, w.seed, w.end, w.synced, w.marked = r.header, r.seed, r.end, r.synced, r.marked
	w.synced = max(w.synced, headerSize) // the header was synced before the file got its name
	w.allocated = r.size
	if err := w.settle(r.torn); err != nil {
		return found{}, explain(w.path, "repair", err)
	}
	// On a full disk the journal continues with the space that it has.
	if err := w.grow(0); err != nil && !errors.Is(err, ErrFull) {
		return found{}, err
	}
	w.mark()
	// The file may come from a rewrite whose sync of the directory failed.
	if err := w.dir.Sync(); err != nil {
		return found{}, explain(w.path, "sync of the directory", err)
	}
	return r, w.broken
}

// settle makes the replayed records durable and overwrites the torn tail with zeros. It writes
// again what is not known to be synced, at least the last mark: after a failed sync, the
// kernel may consider pages clean that are not on the disk.
func (w *writer) settle(torn int64) error {
	b := make([]byte, min(windowSize, w.end-w.synced))
	for at := w.synced; at < w.end; {
		n := min(int64(len(b)), w.end-at)
		if _, err := w.f.ReadAt(b[:n], at); err != nil {
			return err
		}
		if _, err := w.f.WriteAt(b[:n], at); err != nil {
			return err
		}
		at += n
	}
	if err := writeZeros(w.f, w.end, w.end+torn); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	w.synced = w.end
	return nil
}

// room returns how many bytes may be written.
func (w *writer) room(reserved bool) int64 {
	if reserved {
		return w.allocated - w.end
	}
	return w.allocated - w.end - w.reserve
}

// grow allocates space for need bytes and the reserve. It allocates in advance, when half of the
// advance is used up, so that jobs can begin for a while on a full disk. On an almost full
// disk it allocates only what is needed.
func (w *writer) grow(need int64) error {
	least := w.end + need + w.reserve
	if least+w.ahead/2 <= w.allocated {
		return nil
	}
	var err error
	for _, to := range []int64{least + w.ahead, least} {
		if to <= w.allocated {
			return nil
		}
		if err = w.f.Allocate(w.allocated, to); err == nil {
			w.allocated = to
			return nil
		}
		// Return a partial allocation to others. If this fails, the zeros at the end of
		// the file can be used later.
		_ = w.f.Truncate(w.allocated)
		if !isFull(err) {
			break
		}
	}
	return explain(w.path, "extend", err)
}

// write appends frames, for which there is space. After an error, they are not in the file, or
// the writer is broken.
func (w *writer) write(frames []byte) error {
	if n, err := w.f.WriteAt(frames, w.end); err != nil {
		if n > 0 || !datadir.IsReadOnly(err) { // a read-only file system has written nothing
			w.rollback()
		}
		return explain(w.path, "write", err)
	}
	w.end += int64(len(frames))
	w.marked = false
	return nil
}

// rollback removes a partial write and syncs: after a loss of power, no record may appear whose
// write was reported as failed.
func (w *writer) rollback() {
	err := w.f.Truncate(w.end)
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		w.broken = fatal(w.path, "a failed write could not be undone", err)
		return
	}
	w.synced, w.allocated = w.end, w.end
}

// sync makes everything durable. It is not repeated after an error: the kernel may have dropped
// the pages and marked them clean, so a second sync would succeed and prove nothing
// (fsync(2), and https://wiki.postgresql.org/wiki/Fsync_Errors).
func (w *writer) sync() error {
	if err := w.f.Sync(); err != nil {
		w.broken = fatal(w.path, "sync", err)
		return w.broken
	}
	w.synced = w.end
	return nil
}

// mark writes to the file that all of it is on the disk. The mark is not synced, and left out if
// there is no space.
func (w *writer) mark() {
	if w.marked || w.synced != w.end || w.room(false) < frameHead {
		return
	}
	// write undoes a failed mark. The next group will meet the error.
	if w.write(appendFrame(w.buf[:0], w.seed, w.end, kindMark, w.synced, nil)) == nil {
		w.marked = true
	}
}

// seal syncs the file and writes a last mark.
func (w *writer) seal() error {
	if w.marked {
		return nil
	}
	if w.synced != w.end {
		if err := w.sync(); err != nil {
			return err
		}
	}
	w.mark()
	if w.broken != nil || !w.marked {
		return w.broken
	}
	return w.sync()
}
