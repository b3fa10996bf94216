package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFull fills a small disk. Ordinary records are refused while reserved ones
// fit, also after a restart; when there is room again, all is as before.
func TestFull(t *testing.T) {
	const reserve = 1 << 10
	d := newSimDisk()
	d.capacity = 8 << 10
	o := Options{Reserve: reserve, ahead: 1 << 10}
	l := startSim(t, d, o)
	var want []string
	record := func(i int) string { return fmt.Sprintf("%03d %s", i, strings.Repeat("o", 60)) }
	for i := 0; ; i++ {
		err := l.appendErr(t, 0, record(i))
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil || i > 1000 {
			t.Fatal(i, err)
		}
		want = append(want, record(i))
	}
	if used := l.mustSize(t); used < d.capacity-reserve-200 || used > d.capacity-reserve {
		t.Errorf("full at %d of %d", used, d.capacity)
	}
	reserved := func(n int) {
		t.Helper()
		for range n {
			r := fmt.Sprintf("reserved %d", len(want))
			l.append(t, Sync|Reserved, r)
			want = append(want, r)
			if err := l.appendErr(t, Sync, "ordinary"); !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
		}
	}
	reserved(5)
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if n := int64(len(d.files[fileName].live)); n != l.w.allocated {
		t.Errorf("the file has %d bytes, of which %d are known: it keeps what did not suffice", n, l.w.allocated)
	}
	l = startSim(t, d, o)
	wantRecords(t, l.got, want...)
	reserved(5)

	// One group with both: the reserved ones go in.
	answers := []<-chan Answer{l.queue(t, 0, "ordinary"), l.queue(t, Reserved, "r1"), l.queue(t, 0, "ordinary"), l.queue(t, Reserved, "r2")}
	for i, c := range answers {
		if a := <-c; (i%2 == 1) != (a.Err == nil) {
			t.Errorf("%d: %v", i, a.Err)
		}
	}
	want = append(want, "r1", "r2")

	var err error
	for n := 0; err == nil; n++ {
		r := fmt.Sprintf("reserved %d", len(want))
		if err = l.appendErr(t, Reserved, r); err == nil {
			want = append(want, r)
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Error(err)
	}

	d.mu.Lock()
	d.capacity *= 2
	d.mu.Unlock()
	l.append(t, Sync, "room again")
	want = append(want, "room again")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	l = startSim(t, d, o)
	wantRecords(t, l.got, want...)
	if room := l.w.allocated - l.w.end; room < reserve {
		t.Errorf("reserve of %d bytes", room)
	}
}

// TestFullRewrite: on a disk without room for the new file's reserve a log can
// still become smaller; without room for its content the old one stays.
func TestFullRewrite(t *testing.T) {
	d := newSimDisk()
	d.capacity = 8 << 10
	o := Options{Reserve: 1 << 10, ahead: 1 << 10}
	l := startSim(t, d, o)
	all := slices.Repeat([]string{strings.Repeat("x", 476)}, 11)
	l.append(t, 0, all...)
	if err := l.rewrite(t, all[:3]...); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	l.append(t, Sync|Reserved, "reserved")
	if err := l.rewrite(t, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if room := l.w.allocated - l.w.end; room < l.w.reserve {
		t.Errorf("reserve of %d bytes", room)
	}
	wantRecords(t, startSim(t, d, o).got, "kept")
}
