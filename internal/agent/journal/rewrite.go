package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
)

// rewriteBlock is how many bytes a rewrite collects before it writes.
const rewriteBlock = 64 << 10

// rewrite handles a request of Rewrite.
func (a *actor) rewrite(r *request) {
	if a.w.broken != nil {
		a.answer(r, a.broken())
		return
	}
	err := a.w.rewrite(r.rewrite)
	if a.w.broken != nil {
		err = a.broken()
	}
	a.answer(r, err)
}

// rewrite writes the records to a new file and replaces the old one. After an error before that,
// the old file stays in use.
func (w *writer) rewrite(records iter.Seq[[]byte]) error {
	next, err := w.successor(records)
	if err != nil {
		return explain(w.path, "rewrite", err)
	}
	f, err := w.dir.Replace(next.f, newName, fileName, w.f)
	if w.f = f; f == nil {
		w.broken = fatal(w.path, "rewrite", err)
		return w.broken
	}
	if err != nil {
		return explain(w.path, "rewrite", errors.Join(err, w.dir.Remove(newName)))
	}
	next.f = f
	*w = next
	// If the new name were lost with the power, so would be everything that is written to
	// the new file from now on.
	if err := w.dir.Sync(); err != nil {
		w.broken = fatal(w.path, "sync of the directory after a rewrite", err)
		return w.broken
	}
	// The space of the old file is free now.
	_ = w.grow(0)
	return nil
}

// successor returns a writer with a new file that is complete, synced and marked as such. Without
// space on the disk it allocates nothing in advance, so that a journal can become smaller on
// a full disk.
func (w *writer) successor(records iter.Seq[[]byte]) (next writer, err error) {
	next = writer{
		dir: w.dir, path: w.path, header: w.header, end: headerSize, synced: headerSize,
		reserve: w.reserve, ahead: w.ahead, buf: w.buf,
	}
	rand.Read(next.header.salt[:])
	if next.f, err = w.dir.Create(newName); err != nil {
		return writer{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(closing(next.f, err), w.dir.Remove(newName))
		}
	}()
	head, seed := next.header.encode()
	next.seed = seed
	if _, err = next.f.WriteAt(head, 0); err != nil {
		return next, err
	}
	var b []byte
	flush := func() error {
		_, err := next.f.WriteAt(b, next.end)
		next.end += int64(len(b))
		b = b[:0]
		return err
	}
	for record := range records {
		if len(record) > MaxRecord {
			return next, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(record), MaxRecord)
		}
		b = appendFrame(b, seed, next.end+int64(len(b)), kindRecord, headerSize, record)
		if len(b) >= rewriteBlock {
			if err = flush(); err != nil {
				return next, err
			}
		}
	}
	b = appendFrame(b, seed, next.end+int64(len(b)), kindMark, next.end+int64(len(b)), nil)
	if err = flush(); err != nil {
		return next, err
	}
	next.allocated, next.marked = next.end, true
	if grown := next.grow(0); grown != nil && !errors.Is(grown, ErrFull) {
		return next, grown
	}
	if err = next.f.Sync(); err != nil {
		return next, err
	}
	next.synced = next.end
	return next, nil
}
