package sqlite

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
	"warren/internal/wire"
)

// jobFacts are the columns of merge.Facts.
const jobFacts = `state, agent, outcome, exit_code, signal, wait, reason, accepted, started, finished, killed, left_running, code_page,
	out_size, out_dropped, out_kept, out_end, out_begin, out_pieces, out_tail, out_gone, out_sum,
	err_size, err_dropped, err_kept, err_end, err_begin, err_pieces, err_tail, err_gone, err_sum`

// jobPending is true for a job j about which an agent may have more to say.
const jobPending = `j.state < 4 OR j.outcome = 'lost'
	OR NOT j.out_gone AND j.out_size - j.out_dropped > j.out_kept
	OR NOT j.err_gone AND j.err_size - j.err_dropped > j.err_kept`

// facts reads the columns jobFacts.
func (c *columns) facts(f *merge.Facts) error {
	state := c.int()
	if state < 0 || state >= len(model.States) {
		return fmt.Errorf("a job's state is %d", state)
	}
	f.State = model.States[state]
	f.Agent, f.Outcome, f.Exit, f.Signal = c.text(), wire.Outcome(c.text()), c.int(), c.text()
	f.Wait, f.Reason = model.Wait(c.int()), c.text()
	f.Accepted, f.Started, f.Finished = c.int64(), c.int64(), c.int64()
	f.Killed, f.Left, f.CodePage = c.int(), c.int(), c.int()
	for i := range f.Out {
		a := &f.Out[i]
		a.Size, a.Dropped, a.Kept, a.End, a.Begin = c.int64(), c.int64(), c.int64(), c.int64(), c.int64()
		a.Pieces, a.Tail, a.Gone = c.int(), c.int64(), c.bool()
		a.Sum = string(c.bytes(nil))
	}
	return nil
}

// ReadJob reads a job's record by its id. It reports false if there is no such job, or if
// its task was deleted.
func (t *Tx) ReadJob(id uuid.UUID, r *merge.Record) (bool, error) {
	found := false
	err := query(t.conn, "SELECT seq, task, host, digest, "+jobFacts+" FROM jobs WHERE id = ?", func(c *columns) error {
		found = true
		r.Row, r.Task, r.Host, r.Digest = c.int64(), c.int64(), c.text(), c.bytes(nil)
		return c.facts(&r.Facts)
	}, id[:])
	if err != nil || !found {
		return false, err
	}
	// A job's row remains for a while after its task was deleted.
	return row(t.conn, "SELECT max_output, archives FROM tasks WHERE seq = ?", func(c *columns) { r.Limit, r.Archive = c.int64(), c.bool() }, r.Task)
}

// WriteJob writes a job's facts.
func (t *Tx) WriteJob(r *merge.Record, rev int64) error {
	o, e := &r.Out[0], &r.Out[1]
	return execute(t.conn, "UPDATE jobs SET ("+jobFacts+", rev) = (?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?,?, ?) WHERE seq = ?",
		r.State.Rank(), r.Agent, string(r.Outcome), r.Exit, r.Signal, int64(r.Wait), r.Reason, r.Accepted, r.Started, r.Finished, r.Killed, r.Left, r.CodePage,
		o.Size, o.Dropped, o.Kept, o.End, o.Begin, o.Pieces, o.Tail, o.Gone, []byte(o.Sum),
		e.Size, e.Dropped, e.Kept, e.End, e.Begin, e.Pieces, e.Tail, e.Gone, []byte(e.Sum), rev, r.Row)
}

// WriteSignature writes the digest and the times of a request that was signed again.
func (t *Tx) WriteSignature(r *merge.Record) error {
	return execute(t.conn, "UPDATE jobs SET digest = ?, issued = ?, not_after = ? WHERE seq = ?",
		r.Digest, merge.Milliseconds(r.Resigned.Issued), merge.Milliseconds(r.Resigned.NotAfter), r.Row)
}

// Spans returns what the store has around a chunk.
func (t *Tx) Spans(job int64, c merge.Chunk) (spans []merge.Span, err error) {
	add := func(cols *columns) error {
		start := cols.int64()
		spans = append(spans, merge.Span{Start: start, End: start + cols.int64()})
		return nil
	}
	if c.Archive {
		err = query(t.conn, `SELECT offset, size FROM archives WHERE job = ?1 AND offset < ?3 AND offset >=
			coalesce((SELECT max(offset) FROM archives WHERE job = ?1 AND offset <= ?2), ?2) ORDER BY offset`, add, job, c.Offset, c.Offset+int64(len(c.Data)))
		return spans, err
	}
	err = query(t.conn, `SELECT offset, length(data) FROM output WHERE job = +?1 AND stream = +?2 AND offset < +?4 AND offset >=
		coalesce((SELECT max(offset) FROM output WHERE job = +?1 AND stream = +?2 AND offset <= +?3), ?3) ORDER BY offset`, add, job, c.Stream, c.Offset, c.Offset+int64(len(c.Data)))
	return spans, err
}

// ShortenArchive forgets what the archive of a job has behind size, and returns what is left.
func (t *Tx) ShortenArchive(job, size int64) (left []merge.Span, err error) {
	err = execute(t.conn, "DELETE FROM archives WHERE job = ? AND offset >= ?", job, size)
	if err == nil {
		err = execute(t.conn, "UPDATE archives SET size = ?2 - offset WHERE job = ?1 AND offset + size > ?2", job, size)
	}
	if err != nil {
		return nil, err
	}
	err = query(t.conn, "SELECT offset, size FROM archives WHERE job = ? ORDER BY offset", func(c *columns) error {
		start := c.int64()
		left = append(left, merge.Span{Start: start, End: start + c.int64()})
		return nil
	}, job)
	return left, err
}

// AddOutput stores a chunk as a piece of its own, or appends it to the piece that it
// extends.
func (t *Tx) AddOutput(job int64, c merge.Chunk) error {
	n := len(c.Data)
	switch {
	case c.Archive && c.Extends >= 0: // the file has the bytes
		return execute(t.conn, "UPDATE archives SET size = size + ? WHERE job = ? AND offset = ?", n, job, c.Extends)
	case c.Archive:
		return execute(t.conn, "INSERT INTO archives (job, offset, size) VALUES (?,?,?)", job, c.Offset, n)
	case c.Extends >= 0:
		return execute(t.conn, "UPDATE output SET data = CAST(data || ? AS BLOB) WHERE job = ? AND stream = ? AND offset = ?", c.Data, job, c.Stream, c.Extends)
	}
	return execute(t.conn, "INSERT INTO output (job, stream, offset, data) VALUES (?,?,?,?)", job, c.Stream, c.Offset, c.Data)
}

// Sum is the merge.ContentHash of what is stored of a stream.
func (t *Tx) Sum(job int64, stream int) (string, error) {
	var h merge.ContentHash
	var data []byte
	err := query(t.conn, "SELECT offset, data FROM output WHERE job = +? AND stream = +? ORDER BY offset", func(c *columns) error {
		offset := c.int64()
		data = c.bytes(data)
		h.Add(offset, data)
		return nil
	}, job, stream)
	return h.Sum(), err
}

// jsonText returns what the database has for v: JSON, or "" for nil.
func jsonText[T any](v *T) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers, times and texts
	}
	return string(text)
}

// parseJSON reverses jsonText.
func parseJSON[T any](text string) (*T, error) {
	if text == "" {
		return nil, nil
	}
	v := new(T)
	return v, json.Unmarshal([]byte(text), v)
}
