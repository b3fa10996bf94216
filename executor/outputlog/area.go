package outputlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An area has segments of one kind, with a bound of their own. It deletes its oldest segment
// when they grow too large together.
type area struct {
	dir    string // empty: in memory
	suffix string // of its files

	bound   int64 // bytes of all segments
	segment int64 // bytes after which a new segment begins

	numbers []int64 // of its segments, oldest first
	sizes   map[int64]int64
	total   int64
	mine    bool     // this process has begun the newest
	file    *os.File // of the newest; nil before its first chunk
	memory  map[int64][]byte
}

// segmentCount is how many segments share the bound. An eviction drops one of them.
const segmentCount = 16

func newArea(dir, suffix string, bound int64) area {
	return area{
		dir: dir, suffix: suffix, bound: bound, segment: max(bound/segmentCount, 1),
		sizes: map[int64]int64{}, memory: map[int64][]byte{},
	}
}

func (a *area) path(segment int64) string {
	return filepath.Join(a.dir, fmt.Sprintf("%012d", segment)+a.suffix)
}

// found adds a segment that an earlier process has left.
func (a *area) found(segment, size int64) {
	a.numbers = append(a.numbers, segment)
	a.sizes[segment] = size
	a.total += size
}

func (a *area) has(segment int64) bool {
	_, ok := a.sizes[segment]
	return ok
}

// newest returns the newest segment; 0 for none.
func (a *area) newest() int64 {
	if len(a.numbers) == 0 {
		return 0
	}
	return a.numbers[len(a.numbers)-1]
}

// begin begins a segment.
func (a *area) begin(segment int64) error {
	err := a.close()
	a.found(segment, 0)
	a.mine = true
	return err
}

// write writes data at the end of the newest segment.
func (a *area) write(data []byte) error {
	n := a.newest()
	if a.dir == "" {
		a.memory[n] = append(a.memory[n][:a.sizes[n]], data...)
		return nil
	}
	if a.file == nil {
		f, err := os.OpenFile(a.path(n), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		a.file = f
	}
	// WriteAt overwrites what a failed write has left.
	_, err := a.file.WriteAt(data, a.sizes[n])
	return err
}

// grow counts data that was written.
func (a *area) grow(n int) {
	a.sizes[a.newest()] += int64(n)
	a.total += int64(n)
}

// close closes the file of the newest segment.
func (a *area) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// full reports whether the next chunk needs a new segment.
func (a *area) full() bool {
	return len(a.numbers) == 0 || !a.mine || a.sizes[a.newest()] >= a.segment
}

// dropOldest deletes the oldest segment.
func (a *area) dropOldest() error {
	n := a.numbers[0]
	if a.dir != "" {
		var open error
		if len(a.numbers) == 1 {
			open = a.close()
		}
		if err := os.Remove(a.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(open, err)
		}
	}
	a.numbers = a.numbers[1:]
	a.total -= a.sizes[n]
	delete(a.sizes, n)
	delete(a.memory, n)
	return nil
}

func (a *area) read(r Ref) ([]byte, error) {
	if a.dir == "" {
		return a.memory[r.Segment][r.At : r.At+int64(r.Size)], nil
	}
	data := make([]byte, r.Size)
	var from io.ReaderAt = a.file
	if r.Segment != a.newest() || a.file == nil {
		f, err := os.Open(a.path(r.Segment))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	_, err := from.ReadAt(data, r.At)
	return data, err
}
