package journal

import (
	"bytes"
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
			file := slices.Concat(image[:cut], tail)
			d := simWith(file)
			var got [][]byte
			l, err := open(d, small, collect(&got))
			if !bytes.HasPrefix(file, image[:headerSize]) {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("cut at %d, then %s: %v", cut, name, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, name, err)
			}
			whole := 0 // also where what follows is just what was cut off
			for whole < len(ends) && bytes.HasPrefix(file, image[:ends[whole]]) {
				whole++
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

// TestStale: a frame of an older file of the same journal, or of another place in
// this one, or within a record's text, is not taken for one of this file's.
func TestStale(t *testing.T) {
	d := newSimDisk()
	l := startSim(t, d, small)
	l.append(t, Sync, "same")
	end := l.mustSize(t)
	d.mu.Lock()
	old := slices.Clone(d.files[fileName].live)
	d.mu.Unlock()
	if err := l.rewrite(t, "same"); err != nil { // at the same place, with the same content
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	now := d.files[fileName].live
	first := now[headerSize:][:frameSize(len("same"))]
	for name, block := range map[string][]byte{"older file": old[headerSize:end], "other place": first} {
		image := slices.Concat(now[:headerSize], block)
		want := []string(nil)
		if name == "other place" {
			image, want = slices.Concat(image, block), []string{"same"}
		}
		l := startSim(t, simWith(image), small)
		wantRecords(t, l.got, want...)
		if l.Torn() == 0 {
			t.Errorf("%s: not torn", name)
		}
		_ = l.end()
	}

	// A record's text that is a mark, claiming that its own frame was synced:
	// believed only with this file's seed, which no other knows.
	_, seed, _ := decodeHeader(now[:headerSize])
	for _, c := range []struct {
		seed    uint32
		damaged bool
	}{{seed + 1, false}, {seed, true}} {
		at := int64(headerSize) + int64(len(first))
		mark := appendFrame(nil, c.seed, at+frameHead, kindMark, at+frameHead, nil)
		image := slices.Concat(now[:headerSize], first, appendFrame(nil, seed, at, kindRecord, headerSize, mark))
		image[at]++ // torn
		var got [][]byte
		_, err := open(simWith(image), small, collect(&got))
		if errors.Is(err, ErrDamaged) != c.damaged || !c.damaged && err != nil {
			t.Errorf("damaged should be %v: %v", c.damaged, err)
		}
		wantRecords(t, got, "same")
	}
}
