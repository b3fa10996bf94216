package merge

import (
	"crypto/sha256"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}

// A sum depends on the bytes and the gaps, and not on how the stream was cut.
func TestContentHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "text")
		skip := rapid.Int64Range(0, 3).Draw(t, "skip")
		at := rapid.IntRange(0, len(text)).Draw(t, "at") // where the gap is
		sum := func(cuts []int) string {
			var h ContentHash
			slices.Sort(cuts)
			from := 0
			for _, cut := range append(cuts, at, len(text)) {
				if cut = min(max(cut, from), len(text)); cut == from {
					continue
				}
				if from < at && cut > at {
					h.Add(int64(from), text[from:at])
					from = at
				}
				offset := int64(from)
				if from >= at {
					offset += skip
				}
				h.Add(offset, text[from:cut])
				from = cut
			}
			if from < len(text) {
				h.Add(int64(from)+skip, text[from:])
			}
			return h.Sum()
		}
		cuts := rapid.SliceOfN(rapid.IntRange(0, 64), 0, 5)
		one, other := sum(cuts.Draw(t, "cuts")), sum(cuts.Draw(t, "others"))
		if one != other {
			t.Fatal("the cuts decide")
		}
		if gapped := skip > 0 && at < len(text); (one == sumOf(string(text))) == gapped {
			t.Fatalf("with a gap: %v", gapped)
		}
	})
}
