//go:build unix

package signing

import (
	"bytes"
	"path/filepath"
	"testing"
)

// BenchmarkSign signs a statement with an Ed25519 key from its file.
func BenchmarkSign(b *testing.B) {
	path := filepath.Join(b.TempDir(), "key")
	if _, err := Create(path, "bench"); err != nil {
		b.Fatal(err)
	}
	s, err := Choose(b.Context(), Options{Identity: path})
	if err != nil {
		b.Fatal(err)
	}
	statement := bytes.Repeat([]byte("s"), 600)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
}
