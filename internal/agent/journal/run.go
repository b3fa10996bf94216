package journal

import (
	"context"
	"fmt"
	"time"
)

const (
	// maxGroup is how many bytes are collected before they are written. With more, those
	// who wait for the sync would also wait for the copying.
	maxGroup = 1 << 20

	// keepBuffer is the largest buffer that is kept for the next group.
	keepBuffer = 64 << 10
)

// Run writes. It returns nil after ctx has ended and all waiting requests are written and synced,
// or the error after which the state of the file is unknown. Call it once.
func (l *Log) Run(ctx context.Context) error {
	a := &actor{w: l.w, inbox: l.inbox}
	defer l.stop(a)
	for a.w.broken == nil {
		select {
		case r := <-l.inbox:
			a.take(r)
		case <-ctx.Done():
			return a.drain()
		}
	}
	return a.w.broken
}

// stop refuses waiting and later requests.
func (l *Log) stop(a *actor) {
	l.stopped = ErrStopped
	if a.w.broken != nil {
		l.stopped = fmt.Errorf("%w: %w", ErrStopped, a.w.broken)
	}
	close(l.done)
	for {
		select {
		case r := <-l.inbox:
			r.answer <- Answer{Err: l.stopped, Size: a.w.end}
		default:
			return
		}
	}
}

// An actor is the state of Run.
type actor struct {
	w     *writer
	inbox <-chan *request
	group []*request // to be written together
}

// drain handles waiting requests and seals the file.
func (a *actor) drain() error {
	for a.w.broken == nil {
		select {
		case r := <-a.inbox:
			a.take(r)
		default:
			return a.w.seal()
		}
	}
	return a.w.broken
}

// take handles a request, together with those that wait behind it.
func (a *actor) take(r *request) {
	var bytes int64
	for r != nil && a.w.broken == nil {
		if r.rewrite != nil {
			a.commit() // earlier requests
			a.rewrite(r)
			bytes = 0
		} else {
			a.group = append(a.group, r)
			bytes += r.size()
		}
		r = nil
		if bytes < maxGroup {
			r = a.next()
		}
	}
	a.commit()
	if a.w.broken == nil && len(a.inbox) == 0 {
		a.w.mark()
	}
	if r != nil { // taken from the inbox before the writer broke
		a.answer(r, a.broken())
	}
}

// next returns the next request, if one waits.
func (a *actor) next() *request {
	select {
	case r := <-a.inbox:
		return r
	default:
		return nil
	}
}

func (r *request) size() int64 {
	var n int64
	for _, b := range r.records {
		n += frameSize(len(b))
	}
	return n
}

// commit writes the group, syncs if a request needs that, and answers all.
func (a *actor) commit() {
	if len(a.group) == 0 {
		return
	}
	defer func() {
		clear(a.group)
		a.group = a.group[:0]
	}()
	if a.w.broken != nil {
		a.answerAll(a.group, a.broken())
		return
	}
	written, err := a.write()
	if err != nil {
		if a.w.broken != nil {
			err = a.broken()
		}
		a.answerAll(written, err)
		return
	}
	waiting := written[:0]
	for _, r := range written {
		if r.mode&Sync == 0 {
			a.answer(r, nil)
		} else {
			waiting = append(waiting, r)
		}
	}
	if len(waiting) == 0 {
		return
	}
	var took time.Duration
	if a.w.synced != a.w.end {
		began := time.Now()
		if a.w.sync() != nil {
			err = a.broken()
		}
		took = time.Since(began)
	}
	for _, r := range waiting {
		r.answer <- Answer{Err: err, Size: a.w.end, Synced: took}
	}
}

// write writes the requests of the group that have space, and answers the others.
func (a *actor) write() (written []*request, err error) {
	var need int64
	for _, r := range a.group {
		need += r.size()
	}
	full := a.w.grow(need)
	b, written := a.w.buf[:0], a.group[:0]
	for _, r := range a.group {
		if full != nil && int64(len(b))+r.size() > a.w.room(r.mode&Reserved != 0) {
			a.answer(r, full)
			continue
		}
		for _, record := range r.records {
			b = appendFrame(b, a.w.seed, a.w.end+int64(len(b)), kindRecord, a.w.synced, record)
		}
		written = append(written, r)
	}
	if cap(b) <= keepBuffer {
		a.w.buf = b
	}
	if len(b) == 0 {
		return written, nil
	}
	return written, a.w.write(b)
}

// broken returns the error for requests that come after the log broke.
func (a *actor) broken() error { return fmt.Errorf("%w: %w", ErrStopped, a.w.broken) }

func (a *actor) answer(r *request, err error) { r.answer <- Answer{Err: err, Size: a.w.end} }

func (a *actor) answerAll(rs []*request, err error) {
	for _, r := range rs {
		a.answer(r, err)
	}
}
