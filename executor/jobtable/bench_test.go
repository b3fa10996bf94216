package jobtable

import (
	"testing"

	"github.com/google/uuid"
)

// BenchmarkTableBeginEnd measures one job from its request to its end, with its records.
func BenchmarkTableBeginEnd(b *testing.B) {
	sample := run(b)
	written := func(book *Table) { book.Committed(book.Commit(t0, true)) }
	b.ReportAllocs()
	for b.Loop() {
		book := tableSince(limits(), t0)
		r := *sample
		request := *sample.Request
		request.Leaf.Job, request.Statement.Task = uuid.NewString(), uuid.NewString()
		r.Request = &request
		book.Accept(&r, "", false, t0)
		j := beginNext(book, t0)
		written(book)
		book.End(j, code(0), t0)
		written(book)
	}
}
