// Package outputlog keeps what commands have printed until their operators have it.
package outputlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

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
// segment when they grow too large together. What the disk refuses is kept in memory,
// where there is less room. Nothing is synced: if output is lost with the power, the
// result says so. One goroutine owns a Log.
type Log struct {
	dir     string // empty: in memory
	bound   int64  // bytes of all segments
	segment int64  // bytes after which a new segment begins

	oldest, newest int64
	sizes          map[int64]int64
	total          int64
	file           *os.File // of newest; nil before its first chunk
	memory         map[int64][]byte

	spill      spill        // what the disk refused
	diskErr    error        // of the last chunk
	unreadable map[Ref]bool // chunks on disk that cannot be read
}

// segmentCount is how many segments share the bound. An eviction drops one of them.
const segmentCount = 16

// Open opens the log in dir, or in memory if dir is empty. New segments get numbers
// above last, the highest that the journal refers to: that file may be lost with the
// power, and its references must not find the output of another job.
func Open(dir string, bound, last int64) (*Log, error) {
	o := &Log{
		dir: dir, bound: bound, segment: max(bound/segmentCount, 1), oldest: last + 1, newest: last + 1,
		sizes: map[int64]int64{}, spill: newSpill(), unreadable: map[Ref]bool{},
	}
	if dir == "" {
		o.memory = map[int64][]byte{}
		return o, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, e := range entries {
		var n int64
		info, err := e.Info()
		if _, scan := fmt.Sscanf(e.Name(), "%d.output", &n); scan == nil && err == nil {
			found = append(found, n)
			o.sizes[n] = info.Size()
			o.total += info.Size()
		}
	}
	if len(found) > 0 {
		o.oldest = slices.Min(found)
		o.newest = max(slices.Max(found), last) + 1 // the last one may end in a torn chunk
	}
	return o, nil
}

func (o *Log) path(segment int64) string {
	return filepath.Join(o.dir, fmt.Sprintf("%012d.output", segment))
}

// Put keeps a chunk of a job's output, on disk or else in memory, and returns where.
// The chunk is kept even if there is an error, which says why the disk refused the
// chunk or why an old segment could not be deleted.
func (o *Log) Put(job, stream string, offset int64, data []byte) (Ref, error) {
	var old error
	if o.sizes[o.newest] >= o.segment {
		old = o.next()
	}
	r := Ref{Stream: stream, Offset: offset, Size: len(data), Segment: o.newest, At: o.sizes[o.newest]}
	if o.diskErr = o.write(data); o.diskErr != nil {
		r.Segment, r.At = o.spill.put(job, data, o.diskErr), 0
		return r, errors.Join(old, o.diskErr)
	}
	o.sizes[o.newest] += int64(len(data))
	o.total += int64(len(data))
	return r, errors.Join(old, o.evict())
}

// Size returns the bytes of all segments.
func (o *Log) Size() int64 { return o.total }

// DiskError returns why the disk refused the last chunk; nil if it took it.
func (o *Log) DiskError() error { return o.diskErr }

// JobEnded says that a job prints no more. It returns why some of the job's output is
// in memory only; nil if none is.
func (o *Log) JobEnded(job string) error { return o.spill.ended(job) }

// Recheck tries whether a disk that refused output takes it again.
func (o *Log) Recheck() {
	if o.diskErr != nil {
		o.diskErr = o.write(make([]byte, 4096)) // the next chunk is written over it
	}
}

func (o *Log) write(data []byte) error {
	if o.dir == "" {
		o.memory[o.newest] = append(o.memory[o.newest], data...)
		return nil
	}
	if o.file == nil {
		f, err := os.OpenFile(o.path(o.newest), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		o.file = f
	}
	// WriteAt overwrites what a failed write has left.
	_, err := o.file.WriteAt(data, o.sizes[o.newest])
	return err
}

func (o *Log) next() error {
	err := o.Close()
	o.newest++
	return err
}

func (o *Log) Close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}

// evict drops segments, oldest first, above the bound.
func (o *Log) evict() error {
	for o.total > o.bound && o.oldest < o.newest {
		if err := o.drop(o.oldest); err != nil {
			return err
		}
		o.oldest++
	}
	return nil
}

func (o *Log) drop(segment int64) error {
	o.total -= o.sizes[segment]
	delete(o.sizes, segment)
	delete(o.memory, segment)
	maps.DeleteFunc(o.unreadable, func(r Ref, _ bool) bool { return r.Segment == segment })
	if o.dir == "" {
		return nil
	}
	if err := os.Remove(o.path(segment)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// DropBefore deletes the segments before first, which no job needs any more.
func (o *Log) DropBefore(first int64) error {
	for ; o.oldest < min(first, o.newest); o.oldest++ {
		if err := o.drop(o.oldest); err != nil {
			return err
		}
	}
	return nil
}

// Has reports whether a chunk is still kept.
func (o *Log) Has(r Ref) bool {
	if r.Segment < 0 {
		_, ok := o.spill.chunks[r.Segment]
		return ok
	}
	return r.At+int64(r.Size) <= o.sizes[r.Segment] && !o.unreadable[r]
}

// Get reads a chunk. After a read error the log no longer has it.
func (o *Log) Get(r Ref) ([]byte, error) {
	switch {
	case !o.Has(r):
		return nil, fs.ErrNotExist
	case r.Segment < 0:
		return o.spill.chunks[r.Segment], nil
	case o.dir == "":
		return o.memory[r.Segment][r.At : r.At+int64(r.Size)], nil
	}
	data, err := o.read(r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || datadir.IsIOError(err) {
		o.unreadable[r] = true
	}
	return data, err
}

func (o *Log) read(r Ref) ([]byte, error) {
	data := make([]byte, r.Size)
	if r.Segment == o.newest && o.file != nil {
		_, err := o.file.ReadAt(data, r.At)
		return data, err
	}
	f, err := os.Open(o.path(r.Segment))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, err = f.ReadAt(data, r.At)
	return data, err
}
