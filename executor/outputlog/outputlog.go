// Package outputlog keeps what commands have printed, and the archives of collects, until their
// operators have it.
package outputlog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"

	"warren/internal/datadir"
)

// A Ref is where a chunk of output is kept.
type Ref struct {
	Stream  string `json:"stream"`
	Offset  int64  `json:"offset"` // in the stream
	Size    int    `json:"size"`
	Segment int64  `json:"segment"`
	At      int64  `json:"at"` // position in the segment
}

// A Log keeps output in segments, files of a bounded size, and deletes the oldest
// segment when they grow too large together. Archives have segments and a bound of their own,
// so that a large one costs no command its output. What the disk refuses is kept in memory,
// where there is less room. Nothing is synced: if output is lost with the power, the
// result says so. One goroutine owns a Log.
type Log struct {
	dir string // empty: in memory

	last     int64 // number of the newest segment
	output   area
	archives area

	spill      spill        // what the disk refused
	diskErr    error        // of the last chunk
	refusing   *area        // of the last chunk that the disk refused
	unreadable map[Ref]bool // chunks on disk that cannot be read
}

// Bounds are the most bytes of each kind of segments.
type Bounds struct{ Output, Archives int64 }

// Open is OpenBounded with the same bound for both kinds.
func Open(dir string, bound, last int64) (*Log, error) {
	return OpenBounded(dir, Bounds{bound, bound}, last)
}

// OpenBounded opens the log in dir, or in memory if dir is empty. New segments get numbers
// above last, the highest that the journal refers to: that file may be lost with the
// power, and its references must not find the output of another job.
func OpenBounded(dir string, b Bounds, last int64) (*Log, error) {
	o := &Log{
		dir: dir, last: last, output: newArea(dir, ".output", b.Output), archives: newArea(dir, ".archive", b.Archives),
		spill: newSpill(), unreadable: map[Ref]bool{},
	}
	if dir == "" {
		return o, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var n int64
		var suffix string
		info, err := e.Info()
		if _, scan := fmt.Sscanf(e.Name(), "%d%s", &n, &suffix); scan != nil || err != nil {
			continue
		}
		for _, a := range o.areas() {
			if a.suffix == suffix {
				a.found(n, info.Size())
				o.last = max(o.last, n) // the last one may end in a torn chunk
			}
		}
	}
	return o, nil
}

func (o *Log) areas() [2]*area { return [...]*area{&o.output, &o.archives} }

// Put keeps a chunk of a job's output, on disk or else in memory, and returns where.
// The chunk is kept even if there is an error, which says why the disk refused the
// chunk or why an old segment could not be deleted.
func (o *Log) Put(job, stream string, offset int64, data []byte) (Ref, error) {
	return o.put(&o.output, job, stream, offset, data)
}

// PutArchive is Put for a chunk of an archive.
func (o *Log) PutArchive(job, stream string, offset int64, data []byte) (Ref, error) {
	return o.put(&o.archives, job, stream, offset, data)
}

func (o *Log) put(a *area, job, stream string, offset int64, data []byte) (Ref, error) {
	var old error
	if a.full() {
		o.last++
		old = a.begin(o.last)
	}
	r := Ref{Stream: stream, Offset: offset, Size: len(data), Segment: a.newest(), At: a.sizes[a.newest()]}
	if o.diskErr = a.write(data); o.diskErr != nil {
		o.refusing = a
		r.Segment, r.At = o.spill.put(job, data, o.diskErr), 0
		return r, errors.Join(old, o.diskErr)
	}
	a.grow(len(data))
	return r, errors.Join(old, o.evict(a))
}

// Size returns the bytes of all segments.
func (o *Log) Size() int64 { return o.output.total + o.archives.total }

// DiskError returns why the disk refused the last chunk; nil if it took it.
func (o *Log) DiskError() error { return o.diskErr }

// JobEnded says that a job prints no more. It returns why some of the job's output is
// in memory only; nil if none is.
func (o *Log) JobEnded(job string) error { return o.spill.ended(job) }

// Recheck tries whether a disk that refused output takes it again.
func (o *Log) Recheck() {
	if o.diskErr != nil {
		o.diskErr = o.refusing.write(make([]byte, 4096)) // the next chunk is written over it
	}
}

// Close closes the files.
func (o *Log) Close() error { return errors.Join(o.output.close(), o.archives.close()) }

// evict drops segments, oldest first, above the bound.
func (o *Log) evict(a *area) error {
	for a.total > a.bound && len(a.numbers) > 1 {
		if err := o.dropOldest(a); err != nil {
			return err
		}
	}
	return nil
}

func (o *Log) dropOldest(a *area) error {
	n := a.numbers[0]
	if err := a.dropOldest(); err != nil {
		return err
	}
	maps.DeleteFunc(o.unreadable, func(r Ref, _ bool) bool { return r.Segment == n })
	return nil
}

// DropBefore deletes the segments before first, which no job needs any more.
func (o *Log) DropBefore(first int64) error {
	for _, a := range o.areas() {
		for len(a.numbers) > 0 && a.numbers[0] < first {
			if err := o.dropOldest(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Has reports whether a chunk is still kept.
func (o *Log) Has(r Ref) bool {
	if r.Segment < 0 {
		return len(o.spill.chunks[r.Segment]) == r.Size
	}
	size := cmp.Or(o.output.sizes[r.Segment], o.archives.sizes[r.Segment])
	return r.At+int64(r.Size) <= size && !o.unreadable[r]
}

// Get reads a chunk. After a read error the log no longer has it.
func (o *Log) Get(r Ref) ([]byte, error) {
	switch {
	case !o.Has(r):
		return nil, fs.ErrNotExist
	case r.Segment < 0:
		return o.spill.chunks[r.Segment], nil
	}
	a := &o.output
	if o.archives.has(r.Segment) {
		a = &o.archives
	}
	data, err := a.read(r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || datadir.IsIOError(err) {
		o.unreadable[r] = true
	}
	return data, err
}
