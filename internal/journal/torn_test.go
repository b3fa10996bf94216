package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// small keeps the files of these tests so.
var small = Options{Reserve: 64, ahead: 64}

// sample is the file of a log with groups that were synced and one that was
// not, as it is while it runs, and the records with the offsets at which each
// ends.
func sample(t testing.TB) (image []byte, records []string, ends []int64, synced int64) {
	t.Helper()
	d := newSimDisk()
	l := startSim(t, d, small)
	for i := range 3 {
		l.append(t, Sync, fmt.Sprintf("synced %d", i), strings.Repeat("s", 3*i))
	}
	l.append(t, 0, "written", "only")
	// Two writes of one group each, the latter without a sync.
	d.mu.Lock()
	image = slices.Clone(d.files[fileName].live)
	d.mu.Unlock()
	image = image[:l.mustSize(t)+64]
	_, seed, ok := decodeHeader(image[:headerSize])
	if !ok {
		t.Fatal("header")
	}
	for at := int64(headerSize); ; {
		f, ok := decodeFrame(image[at:], seed, at)
		if !ok {
			break
		}
		synced = max(synced, f.synced)
		if f.kind == kindRecord {
			records = append(records, string(image[at+frameHead:][:f.length]))
			ends = append(ends, at+f.size())
		}
		at += f.size()
	}
	if len(records) != 8 {
		t.Fatalf("%d records", len(records))
	}
	return image, records, ends, synced
}

func (r *running) mustSize(t testing.TB) int64 {
	return (<-r.queue(t, 0)).Size
}

func simWith(image []byte) *simDisk {
	d := newSimDisk()
	f := &simFile{d: d, live: slices.Clone(image), disk: slices.Clone(image)}
	d.files[fileName], d.durable[fileName] = f, f
	return d
}

// TestTornEverywhere cuts the file at each byte, and has zeros or rubbish follow.
// What is whole is there, the rest is cut off, and the log can be used on.
func TestTornEverywhere(t *testing.T) {
	image, records, ends, _ := sample(t)
	last := ends[len(ends)-1]
	for cut := range image {
		for name, tail := range map[string][]byte{"end": nil, "zeros": make([]byte, 100), "rubbish": slices.Repeat([]byte{0xa7}, 100)} {
			d := simWith(append(slices.Clone(image[:cut]), tail...))
			var got [][]byte
			l, err := open(d, small, collect(&got))
			if cut < headerSize {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("cut at %d, then %s: %v", cut, name, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, name, err)
			}
			whole := 0
			for whole < len(ends) && ends[whole] <= int64(cut) {
				whole++
			}
			if name == "zeros" { // may be just what was cut off
				whole = len(got)
				if whole < len(ends) && ends[whole] <= int64(cut) {
					t.Fatalf("cut at %d: record %d is missing", cut, whole)
				}
			}
			wantRecords(t, got, records[:whole]...)
			if name == "rubbish" && l.Torn() == 0 || name == "end" && int64(cut) >= last && l.Torn() != 0 {
				t.Errorf("cut at %d, then %s: torn %d", cut, name, l.Torn())
			}
			r := &running{Log: l}
			r.run(t)
			r.append(t, Sync, "new")
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			r = startSim(t, d, small)
			wantRecords(t, r.got, append(slices.Clone(records[:whole]), "new")...)
			if r.Torn() != 0 {
				t.Errorf("torn %d", r.Torn())
			}
			_ = r.end()
		}
	}
}

// TestFlips flips each bit. A record that is returned is a true one, and in
// order; what is missing was never said to be synced; all else is damage, with
// its place.
func TestFlips(t *testing.T) {
	image, records, ends, synced := sample(t)
	damages := 0
	for i := range 8 * len(image) {
		flipped := slices.Clone(image)
		flipped[i/8] ^= 1 << (i % 8)
		var got [][]byte
		l, err := open(simWith(flipped), small, collect(&got))
		if len(got) > len(records) {
			t.Fatalf("bit %d: %d records", i, len(got))
		}
		wantRecords(t, got, records[:len(got)]...)
		var damage *DamagedError
		switch at := int64(i / 8); {
		case at < synced:
			if !errors.As(err, &damage) || damage.Offset > at || !errors.Is(err, ErrDamaged) {
				t.Fatalf("bit %d, synced: %v", i, err)
			}
			damages++
		case err != nil:
			t.Fatalf("bit %d, not synced: %v", i, err)
		case len(got) < len(records) && (ends[len(got)] <= synced || l.Torn() == 0):
			t.Fatalf("bit %d: record %d is missing, torn %d", i, len(got), l.Torn())
		}
	}
	if damages == 0 {
		t.Error("nothing was synced")
	}
}

// TestSealed: in a log that was closed, no damage is taken for a torn tail.
func TestSealed(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, small)
	l.append(t, Sync, "one")
	l.append(t, 0, "two")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	image := slices.Clone(d.files[fileName].live)
	r, err := replay("", d.files[fileName], ignore)
	if err != nil || !r.marked {
		t.Fatal(r, err)
	}
	for i := range 8 * r.synced {
		flipped := slices.Clone(image)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := open(simWith(flipped), small, ignore); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
}

// TestTornOutOfOrder: of two groups that were not synced the second alone has
// come to the disk. That is no damage.
func TestTornOutOfOrder(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, small)
	l.append(t, Sync, "synced")
	from := l.mustSize(t)
	l.append(t, 0, "lost")
	to := l.mustSize(t)
	l.append(t, 0, "comes without the other")
	d.mu.Lock()
	image := slices.Clone(d.files[fileName].live)
	d.mu.Unlock()
	clear(image[from:to])
	l2 := startSim(t, simWith(image), small)
	wantRecords(t, l2.got, "synced")
	if l2.Torn() == 0 {
		t.Error("nothing is said to be torn")
	}
}

// TestOtherVersion: a journal of a later program is refused, and named so.
func TestOtherVersion(t *testing.T) {
	image, _, _, _ := sample(t)
	h, _, _ := decodeHeader(image[:headerSize])
	h.version = 2
	b, _ := h.encode()
	_, err := open(simWith(append(b, image[headerSize:]...)), small, ignore)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}
