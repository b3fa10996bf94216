package executor

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

// A ref is where a chunk of output is kept.
type ref struct {
	Stream  string `json:"stream"`
	Offset  int64  `json:"offset"` // in the stream
	Size    int    `json:"size"`
	Segment int64  `json:"segment"`
	At      int64  `json:"at"` // position in the segment
}

// outputs keeps what commands have printed in files of a bounded size, the
// segments, of which the oldest is dropped where all together grow too large. What
// the disk does not take is kept in memory, where there is less room. Nothing of it is
// synced: a result whose output did not survive a power loss says that it is gone.
// Owned by the agent loop.
type outputs struct {
	dir     string // empty: in memory
	bound   int64  // bytes of all segments
	segment int64  // bytes after which a new segment begins

	oldest, newest int64
	sizes          map[int64]int64
	total          int64
	file           *os.File // of newest; nil before its first chunk
	memory         map[int64][]byte

	spill   spill        // what the disk has not taken
	trouble error        // why it has not taken the last chunk; nil where it has
	lost    map[ref]bool // chunks that it does not give back
}

// segmentsOf is how many segments share the bound: one of them is what an
// eviction drops at a time.
const segmentsOf = 16

// openOutputs takes up what dir has; empty is memory. New segments get numbers
// beyond last, the highest that the journal knows: its file may be gone with the
// power, and what refers to it must not find another's output.
func openOutputs(dir string, bound, last int64) (*outputs, error) {
	o := &outputs{dir: dir, bound: bound, segment: max(bound/segmentsOf, 1), oldest: last + 1, newest: last + 1, sizes: map[int64]int64{}, spill: newSpill(), lost: map[ref]bool{}}
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

func (o *outputs) path(segment int64) string {
	return filepath.Join(o.dir, fmt.Sprintf("%012d.output", segment))
}

// put keeps a chunk of a job's output, on the disk or else in memory, and says where.
// An error is for the log: it says why the disk has not taken the chunk, or does not
// remove what is old.
func (o *outputs) put(job, stream string, offset int64, data []byte) (ref, error) {
	var old error
	if o.sizes[o.newest] >= o.segment {
		old = o.next()
	}
	r := ref{Stream: stream, Offset: offset, Size: len(data), Segment: o.newest, At: o.sizes[o.newest]}
	if o.trouble = o.write(data); o.trouble != nil {
		r.Segment, r.At = o.spill.put(job, data, o.trouble), 0
		return r, errors.Join(old, o.trouble)
	}
	o.sizes[o.newest] += int64(len(data))
	o.total += int64(len(data))
	return r, errors.Join(old, o.evict())
}

// recheck finds out whether the disk takes output again.
func (o *outputs) recheck() {
	if o.trouble != nil {
		o.trouble = o.write(make([]byte, 4096)) // the next chunk is written over it
	}
}

func (o *outputs) write(data []byte) error {
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
	// At its position: what a failed write has left is written over.
	_, err := o.file.WriteAt(data, o.sizes[o.newest])
	return err
}

func (o *outputs) next() error {
	err := o.close()
	o.newest++
	return err
}

func (o *outputs) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}

// evict drops segments, oldest first, above the bound.
func (o *outputs) evict() error {
	for o.total > o.bound && o.oldest < o.newest {
		if err := o.drop(o.oldest); err != nil {
			return err
		}
		o.oldest++
	}
	return nil
}

func (o *outputs) drop(segment int64) error {
	o.total -= o.sizes[segment]
	delete(o.sizes, segment)
	delete(o.memory, segment)
	maps.DeleteFunc(o.lost, func(r ref, _ bool) bool { return r.Segment == segment })
	if o.dir == "" {
		return nil
	}
	if err := os.Remove(o.path(segment)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropBefore drops the segments that no job needs: those before the first.
func (o *outputs) dropBefore(first int64) error {
	for ; o.oldest < min(first, o.newest); o.oldest++ {
		if err := o.drop(o.oldest); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a chunk is still kept.
func (o *outputs) has(r ref) bool {
	if r.Segment < 0 {
		_, ok := o.spill.chunks[r.Segment]
		return ok
	}
	return r.At+int64(r.Size) <= o.sizes[r.Segment] && !o.lost[r]
}

// get reads a chunk. A chunk that the disk does not give back is gone.
func (o *outputs) get(r ref) ([]byte, error) {
	switch {
	case !o.has(r):
		return nil, fs.ErrNotExist
	case r.Segment < 0:
		return o.spill.chunks[r.Segment], nil
	case o.dir == "":
		return o.memory[r.Segment][r.At : r.At+int64(r.Size)], nil
	}
	data, err := o.read(r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || datadir.IsIOError(err) {
		o.lost[r] = true
	}
	return data, err
}

func (o *outputs) read(r ref) ([]byte, error) {
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
