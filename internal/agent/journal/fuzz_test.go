package journal

import (
	"errors"
	"slices"
	"testing"
)

// FuzzReplay gives Open any file. It returns records or an error, and after the
// one the file can be used on.
func FuzzReplay(f *testing.F) {
	image, _, _, _ := sample(f)
	f.Add(image, false)
	f.Add(image[headerSize:], true)
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, b []byte, behind bool) {
		if behind { // a true header, which a fuzzer seldom makes
			b = append(slices.Clone(image[:headerSize]), b...)
		}
		d := simWith(b)
		var got [][]byte
		l, err := open(d, small, collect(&got))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		a := &actor{w: l.w, inbox: l.inbox}
		r := &request{records: bytesOf([]string{"new"}), mode: Sync, answer: make(chan Answer, 1)}
		a.take(r)
		if err := (<-r.answer).Err; err != nil {
			t.Fatal(err)
		}
		var again [][]byte
		if _, err := open(d, small, collect(&again)); err != nil {
			t.Fatal(err)
		}
		if len(again) != len(got)+1 || !slices.EqualFunc(again[:len(got)], got, slices.Equal) {
			t.Errorf("%d records, then %d", len(got), len(again))
		}
	})
}
