package wire

import "testing"

func BenchmarkNewBatch1000(b *testing.B) {
	st, leaves := sampleStatement(TypeRun), sampleLeaves(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBatch(st, leaves, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBodyAndDigestOf1000(b *testing.B) {
	batch := sampleBatch(b, sampleStatement(TypeRun), 1000)
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Size() {
			batch.Body(i)
			batch.Digest(i)
		}
	}
}

// A script of 1 MB: the digest must not cost what hashing the body costs.
func BenchmarkDigestOfLongStatement(b *testing.B) {
	st := sampleStatement(TypeRun)
	st.Run.Command, st.Run.Script = "", make([]byte, 1<<20)
	batch := sampleBatch(b, st, 1000)
	b.ReportAllocs()
	for b.Loop() {
		batch.Digest(999)
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	body := sampleBatch(b, sampleStatement(TypeRun), 1000).Body(999)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEnded(b *testing.B) {
	typ, body, id := encodeSample(b, "ended")
	text := []byte(body)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeReply(typ, text, nil, id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEnded(b *testing.B) {
	ended := sampleReplies()["ended"]
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := EncodeReply(ended); err != nil {
			b.Fatal(err)
		}
	}
}
