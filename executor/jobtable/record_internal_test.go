package jobtable

import (
	"slices"
	"testing"

	"warren/executor/outputlog"
	"warren/internal/agent/journal"
	"warren/internal/wire"
)

// A large archive has more chunks than a record of the journal has room for. They are joined in
// the record, and the agent finds them again after a restart.
func TestLargeArchiveFitsIntoRecord(t *testing.T) {
	var output []outputlog.Ref
	add := func(stream string, offset, segment, at int64, size int) {
		output = append(output, outputlog.Ref{Stream: stream, Offset: offset, Size: size, Segment: segment, At: at})
	}
	const chunks, perSegment = 4 << 30 / wire.MaxChunk, 6144
	for i := range int64(chunks) {
		add(wire.Stdout, i*wire.MaxChunk, 7+i/perSegment, i%perSegment*wire.MaxChunk, wire.MaxChunk)
	}
	add(wire.Stdout, 4<<30, 99, 0, 5)
	add(wire.Stderr, 0, 99, 5, 5)
	add(wire.Stderr, 5, -3, 0, 5)
	add(wire.Stderr, 10, -4, 0, 5)
	add(wire.Stdout, 5<<30, 99, 10, 5) // after a gap
	record := (&entry{Job: "job", Output: output}).encode()
	if len(record) > 10_000 || len(record) > journal.MaxRecord {
		t.Errorf("the record has %d bytes", len(record))
	}
	if again := split(joined(output)); !slices.Equal(again, output) {
		t.Errorf("%d chunks became %d", len(output), len(again))
	}
}
