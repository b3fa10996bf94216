package trust

import (
	"testing"

	"warren/internal/wire"
)

// BenchmarkVerify measures the verification of one Ed25519 signature.
func BenchmarkVerify(b *testing.B) {
	key := newKey(b, "ed25519")
	text := "a statement"
	signature, err := signWith(b, key, Namespace)([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := parse(signature)
		if err == nil {
			err = s.verify(text)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuthorize measures a complete decision about a run.
func BenchmarkAuthorize(b *testing.B) {
	key := newKey(b, "ed25519")
	p, h := policy(b, line("", key.PublicKey(), "alice")), host()
	m := message(b, wire.TypeRun, signWith(b, key, Namespace), nil)
	b.ReportAllocs()
	for b.Loop() {
		if v := Authorize(m, h, p, noon); v.Refusal != "" {
			b.Fatal(v.Refusal)
		}
	}
}
