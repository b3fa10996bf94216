package journal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

const sector = 512

var errPower = errors.New("the power is gone")

// A simDisk is a directory whose files lose at a crash what was not synced, any
// part of it. It has a size, and fails when told to. The mutex is for tests that
// look at it while a Run is using it.
type simDisk struct {
	mu       sync.Mutex
	files    map[string]*simFile
	durable  map[string]*simFile // what a crash leaves of the names
	renames  []func(map[string]*simFile)
	capacity int64 // of all files together; 0 is no limit

	ops   int                   // so far
	power int                   // the operation at which the power goes; 0 never
	fail  func(op string) error // asked before each operation
	syncs int
	wrote int
}

func newSimDisk() *simDisk {
	return &simDisk{files: map[string]*simFile{}, durable: map[string]*simFile{}}
}

// A simOp is a change that is not synced: data at an offset, or a size.
type simOp struct {
	at   int64
	data []byte // nil: the file's size becomes at
}

type simFile struct {
	d       *simDisk
	live    []byte // as programs see it
	disk    []byte // as it is after a loss of power at least
	pending []simOp
}

func (d *simDisk) step(op string) error {
	d.ops++
	if d.power > 0 && d.ops >= d.power {
		return errPower
	}
	if d.fail != nil {
		return d.fail(op)
	}
	return nil
}

func (d *simDisk) used() (n int64) {
	seen := map[*simFile]bool{}
	for _, f := range d.files {
		if !seen[f] {
			seen[f] = true
			n += int64(len(f.live))
		}
	}
	return n
}

func (d *simDisk) Path(name string) string { return "/sim/" + name }

func (d *simDisk) Open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("open"); err != nil {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (d *simDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f := &simFile{d: d}
	d.name(func(m map[string]*simFile) { m[name] = f })
	return f, nil
}

func (d *simDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("remove"); err != nil {
		return err
	}
	if d.files[name] == nil {
		return fs.ErrNotExist
	}
	d.name(func(m map[string]*simFile) { delete(m, name) })
	return nil
}

func (d *simDisk) Replace(made file, from, to string, old file) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("rename"); err != nil {
		return old, err
	}
	f := made.(*simFile)
	d.name(func(m map[string]*simFile) { m[to] = f; delete(m, from) })
	return made, nil
}

func (d *simDisk) name(change func(map[string]*simFile)) {
	change(d.files)
	d.renames = append(d.renames, change)
}

func (d *simDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("syncdir"); err != nil {
		return err
	}
	d.durable, d.renames = maps.Clone(d.files), nil
	return nil
}

func (f *simFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.live)), nil
}

func (f *simFile) Close() error { return nil }

func (f *simFile) ReadAt(b []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return bytes.NewReader(f.live).ReadAt(b, at)
}

func (f *simFile) WriteAt(b []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err := f.d.step("write")
	f.d.wrote++
	if errors.Is(err, errReadOnly) {
		return 0, err
	}
	if err != nil { // a part of it is written all the same
		b = b[:len(b)/2]
	}
	if grow := at + int64(len(b)) - int64(len(f.live)); f.d.capacity > 0 && grow > 0 && f.d.used()+grow > f.d.capacity {
		return 0, errDiskFull
	}
	f.put(at, b)
	if err != nil {
		return len(b), err
	}
	return len(b), nil
}

func (f *simFile) put(at int64, b []byte) {
	f.live = apply(f.live, simOp{at: at, data: b})
	f.pending = append(f.pending, simOp{at: at, data: slices.Clone(b)})
}

func (f *simFile) Allocate(from, to int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step("allocate"); err != nil {
		return err
	}
	if grow := to - int64(len(f.live)); f.d.capacity > 0 && grow > 0 && f.d.used()+grow > f.d.capacity {
		f.resize(from + (f.d.capacity-f.d.used())/2) // ext4 leaves a part
		return errDiskFull
	}
	f.resize(max(to, int64(len(f.live))))
	return nil
}

func (f *simFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step("truncate"); err != nil {
		return err
	}
	f.resize(size)
	return nil
}

func (f *simFile) resize(size int64) {
	f.live = apply(f.live, simOp{at: size})
	f.pending = append(f.pending, simOp{at: size})
}

func (f *simFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.syncs++
	if err := f.d.step("sync"); err != nil {
		if !errors.Is(err, errPower) {
			f.pending = nil // what Linux does: the pages are clean, and not on the disk
		}
		return err
	}
	for _, op := range f.pending { // and nothing that is held as clean
		f.disk = apply(f.disk, op)
	}
	f.pending = nil
	return nil
}

// apply carries an operation out; a size that grows adds zeros.
func apply(b []byte, op simOp) []byte {
	size := op.at + int64(len(op.data))
	if op.data == nil && size < int64(len(b)) {
		return b[:size]
	}
	if n := size - int64(len(b)); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	copy(b[op.at:], op.data)
	return b
}

// crash takes the power away: of what was not synced, what coin says is on the
// disk, sector by sector, and of the names the first ones. A log may write at the same time.
func (d *simDisk) crash(coin func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, change := range d.renames {
		if !coin() {
			break
		}
		change(d.durable)
	}
	d.files, d.renames = maps.Clone(d.durable), nil
	for _, f := range d.files {
		for _, op := range f.pending {
			for _, part := range op.sectors() {
				// The size that a write needs comes with it, or neither.
				if coin() {
					f.disk = apply(f.disk, part)
				}
			}
		}
		f.live, f.pending = slices.Clone(f.disk), nil
	}
	d.power, d.fail = 0, nil
}

// kill ends the process only: what was written stays.
func (d *simDisk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power, d.fail = 0, nil
}

func (op simOp) sectors() []simOp {
	if op.data == nil {
		return []simOp{op}
	}
	var parts []simOp
	for at, rest := op.at, op.data; len(rest) > 0; {
		n := min(int64(len(rest)), sector-at%sector)
		parts = append(parts, simOp{at: at, data: rest[:n]})
		at, rest = at+n, rest[n:]
	}
	return parts
}

var (
	_ file      = (*simFile)(nil)
	_ io.Closer = (*simFile)(nil)
)
