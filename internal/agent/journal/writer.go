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

// A writer is the state of the file. Pure state: Open's, then Run's alone.
type writer struct {
	dir       directory
	path      string
	f         file
	header    header
	seed      uint32
	end       int64 // behind the last frame
	synced    int64 // up to here the file is on the disk
	allocated int64 // up to here the disk has given room; at least end
	reserve   int64
	ahead     int64  // allocated at once, beyond what is needed
	marked    bool   // nothing was written since the last mark
	broken    error  // the state of the file is not known any more
	buf       []byte // used again
}

// create makes the first file of a journal. It has its name only once it is
// whole and on the disk.
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

// open takes up a file that is there; fs.ErrNotExist says that there is none.
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
	w.synced = max(w.synced, headerSize) // it is synced before it has its name
	w.allocated = r.size
	if err := w.settle(r.torn); err != nil {
		return found{}, explain(w.path, "repair", err)
	}
	// On a full disk it goes on with what it has.
	if err := w.grow(0); err != nil && !errors.Is(err, ErrFull) {
		return found{}, err
	}
	w.mark()
	// The name may be a rewriting's whose sync of the directory failed.
	if err := w.dir.Sync(); err != nil {
		return found{}, explain(w.path, "sync of the directory", err)
	}
	return r, w.broken
}

// settle makes what has been replayed durable and puts zeros in the place of
// the torn tail. What the file does not say to be synced, the last mark itself
// at least, is written again: after a failed sync the kernel may hold it as clean
// and the disk not at all.
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

// room is how much may be written.
func (w *writer) room(reserved bool) int64 {
	if reserved {
		return w.allocated - w.end
	}
	return w.allocated - w.end - w.reserve
}

// grow has the disk give room for need bytes and the reserve behind them. It asks for
// more while half of the room ahead is still there, so that jobs can begin for a while
// on a disk that has filled up. Near the end of the disk it takes no more than it needs.
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
		// What was got is given back, for others need it more; if it is not,
		// the file has zeros at its end that are of use later.
		_ = w.f.Truncate(w.allocated)
		if !isFull(err) {
			break
		}
	}
	return explain(w.path, "extend", err)
}

// write puts frames behind the last; there is room for them. After an error
// they are not there, or the writer is broken.
func (w *writer) write(frames []byte) error {
	if n, err := w.f.WriteAt(frames, w.end); err != nil {
		if n > 0 || !datadir.IsReadOnly(err) { // else there is nothing to undo, and it could not be undone
			w.rollback()
		}
		return explain(w.path, "write", err)
	}
	w.end += int64(len(frames))
	w.marked = false
	return nil
}

// rollback cuts off what was half written, for good: a loss of power must not
// bring back what its writer was told to have failed.
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

// sync makes all that was written durable. It is not tried again after an
// error: the kernel may have dropped the pages and marked them clean, so that
// a second sync would succeed and prove nothing (fsync(2), and
// https://wiki.postgresql.org/wiki/Fsync_Errors).
func (w *writer) sync() error {
	if err := w.f.Sync(); err != nil {
		w.broken = fatal(w.path, "sync", err)
		return w.broken
	}
	w.synced = w.end
	return nil
}

// mark says in the file that all of it is on the disk. It is not synced itself,
// and where there is no room for it, it is left out.
func (w *writer) mark() {
	if w.marked || w.synced != w.end || w.room(false) < frameHead {
		return
	}
	// An error is the next group's to meet; write has undone this one.
	if w.write(appendFrame(w.buf[:0], w.seed, w.end, kindMark, w.synced, nil)) == nil {
		w.marked = true
	}
}

// seal ends the use of the file.
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
