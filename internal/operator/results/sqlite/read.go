package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"

	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results/archive"
	"warren/internal/operator/results/merge"
	"warren/internal/wire"
)

// A Reader reads the store. Any goroutine may call it.
type Reader struct {
	pool     *pool
	archives archive.Dir
}

// Close closes the connections. It does not wait for those in use.
func (r *Reader) Close() error { return r.pool.close() }

// query calls each with every row.
func (r *Reader) query(ctx context.Context, text string, each func(*columns) error, args ...any) error {
	conn, err := r.pool.take(ctx)
	if err == nil {
		defer r.pool.put(conn)
		err = query(conn, text, each, args...)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, errStop) {
		return ctx.Err() // it has interrupted the query
	}
	return Explain(r.pool.path, err)
}

// row calls scan with the first row, and reports whether there is one.
func (r *Reader) row(ctx context.Context, text string, scan func(*columns), args ...any) (found bool, err error) {
	err = r.query(ctx, text, func(c *columns) error {
		if !found {
			found = true
			scan(c)
		}
		return nil
	}, args...)
	return found, err
}

// minPrefix is how many digits of an id must be given.
const minPrefix = 4

// Find returns the task of an id or of an unambiguous prefix of one, of at least 4 hex
// digits. Errors: ErrBadID, ErrNoTask, *AmbiguousError.
func (r *Reader) Find(ctx context.Context, prefix string) (model.Task, error) {
	from, err := idPrefix(prefix)
	if err != nil {
		return model.Task{}, err
	}
	// Digits and dashes sort before "g".
	found, err := r.tasks(ctx, withPrefix, from, from+"g")
	switch {
	case err != nil:
		return model.Task{}, err
	case len(found) == 0:
		return model.Task{}, noTask(prefix)
	case len(found) > 1:
		e := &AmbiguousError{Prefix: prefix}
		for _, t := range found {
			e.IDs = append(e.IDs, t.ID)
		}
		return model.Task{}, e
	}
	return found[0], nil
}

// withPrefix selects the tasks whose ids are in a range, by their keys: otherwise SQLite
// reads all tasks in their order, instead of the range of ids.
const withPrefix = "WHERE seq IN (SELECT seq FROM tasks WHERE id >= ? AND id < ?)"

// idPrefix brings the beginning of an id, with or without its dashes, into the stored
// form.
func idPrefix(s string) (string, error) {
	low := strings.ToLower(s)
	digits := strings.ReplaceAll(low, "-", "")
	if strings.Trim(digits, "0123456789abcdef") != "" || len(digits) > 32 {
		return "", hint.Errorf("an id looks like 1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "%w: %q", ErrBadID, s)
	}
	var b strings.Builder
	for i, d := range []byte(digits) {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b.WriteByte('-')
		}
		b.WriteByte(d)
	}
	id := b.String()
	if strings.Contains(low, "-") && strings.TrimSuffix(low, "-") != id {
		return "", hint.Errorf("leave out the dashes", "%w: %q has a dash in the wrong place", ErrBadID, s)
	}
	if len(digits) < minPrefix {
		return "", hint.Errorf(fmt.Sprintf("give %d characters or more", minPrefix), "%w: %q is too short", ErrBadID, s)
	}
	return id, nil
}

// Tasks returns the newest tasks first, at most limit of them; 0 is all.
func (r *Reader) Tasks(ctx context.Context, limit int) ([]model.Task, error) {
	if limit <= 0 {
		limit = -1 // SQLite's "no limit"
	}
	return r.tasks(ctx, "ORDER BY seq DESC LIMIT ?", limit)
}

func selectTasks(which string) string {
	return `SELECT t.id, t.command, t.operator, t.key, t.created, t.not_after, t.timeout, t.max_output, t.archives, t.hosts, t.driver, t.cancel, t.pause,
		t.when_online, t.fanout, t.retry_of, t.verify_of, t.rollout, t.script, t.stdin, coalesce(c.kind, ''), coalesce(c.n, 0)
		FROM (SELECT * FROM tasks ` + which + `) t LEFT JOIN counts c ON c.task = t.seq ORDER BY t.seq DESC`
}

func (r *Reader) tasks(ctx context.Context, which string, args ...any) (out []model.Task, err error) {
	err = r.query(ctx, selectTasks(which), func(c *columns) (err error) {
		t := model.Task{
			ID: c.text(), Command: c.text(), Operator: c.text(), Key: c.text(), Created: merge.Time(c.int64()), NotAfter: merge.Time(c.int64()),
			Timeout: time.Duration(c.int64()) * time.Millisecond, MaxOutput: c.int64(), Archives: c.bool(), Hosts: c.int(), Driver: c.text(), Cancel: c.bool(), Pause: c.bool(),
			WhenOnline: c.bool(), Fanout: c.int(), RetryOf: c.text(), VerifyOf: c.text(),
		}
		rollout, script, stdin, kind, n := c.text(), c.text(), c.text(), c.text(), c.int()
		if len(out) == 0 || out[len(out)-1].ID != t.ID {
			t.Summary = model.NewSummary(t.Hosts)
			var errs [3]error
			t.Rollout, errs[0] = parseJSON[model.Rollout](rollout)
			t.Script, errs[1] = parseJSON[model.Content](script)
			t.Stdin, errs[2] = parseJSON[model.Content](stdin)
			if err := errors.Join(errs[:]...); err != nil {
				return fmt.Errorf("the record of task %s: %w", t.ID, err)
			}
			out = append(out, t)
		}
		out[len(out)-1].Summary.Add(kind, n)
		return nil
	}, args...)
	return out, err
}

// Statement returns the text that was signed for the task (full id).
func (r *Reader) Statement(ctx context.Context, task string) (text string, err error) {
	found, err := r.row(ctx, "SELECT coalesce(s.text, '') FROM tasks t LEFT JOIN statements s ON s.task = t.seq WHERE t.id = ?",
		func(c *columns) { text = c.text() }, task)
	if err == nil && !found {
		err = noTask(task)
	}
	return text, err
}

// CountRemovable counts the tasks that DeleteOlder would delete, and the bytes of their
// output.
func (r *Reader) CountRemovable(ctx context.Context, before time.Time) (tasks int, bytes int64, err error) {
	_, err = r.row(ctx, `SELECT count(*), coalesce(sum((SELECT sum(j.out_kept + j.err_kept) FROM jobs j
		WHERE j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1)), 0) `+removable+" AND t.created < ?",
		func(c *columns) { tasks, bytes = c.int(), c.int64() }, merge.Milliseconds(before))
	return tasks, bytes, err
}

// ofTask joins a task's jobs.
const ofTask = " FROM tasks t JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.id = ? "

// signedTimes are those of the job's own statement, or its task's.
const signedTimes = "coalesce(nullif(j.issued, 0), t.created), coalesce(nullif(j.not_after, 0), t.not_after), "

// Jobs returns the jobs of a task (full id) in the order of its hosts.
func (r *Reader) Jobs(ctx context.Context, task string) ([]model.Job, error) {
	hosts := 0
	found, err := r.row(ctx, "SELECT hosts FROM tasks WHERE id = ?", func(c *columns) { hosts = c.int() }, task)
	if err == nil && !found {
		err = noTask(task)
	}
	if err != nil {
		return nil, err
	}
	out := make([]model.Job, 0, hosts)
	_, err = r.Changed(ctx, task, -1, func(j model.Job) { out = append(out, j) })
	if err == nil && len(out) != hosts { // SQLite itself has no checksums
		if found, err := r.row(ctx, "SELECT 1 FROM tasks WHERE id = ?", func(*columns) {}, task); err == nil && !found {
			return nil, noTask(task) // another process has deleted it meanwhile
		}
		err = damaged(r.pool.path, fmt.Errorf("task %s has %d of its %d jobs", task, len(out), hosts))
	}
	return out, err
}

// Changed calls each with the jobs of a task (full id) that have changed since a revision
// of the task, in the order of its hosts. It returns the revision that they show. Jobs that
// have not changed yet are of revision 0.
func (r *Reader) Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error) {
	rev = since
	const text = "SELECT t.rev, j.id, j.seq - t.first_job, j.host, j.digest, " + signedTimes + jobFacts + ofTask + "AND j.rev > ? ORDER BY j.seq"
	err = r.query(ctx, text, func(c *columns) error {
		rev = c.int64()
		id, err := c.uuid()
		if err != nil {
			return err
		}
		index := c.int()
		record := merge.Record{Host: c.text(), Digest: c.bytes(nil)}
		signed := model.Signed{Issued: merge.Time(c.int64()), NotAfter: merge.Time(c.int64())}
		if err := c.facts(&record.Facts); err != nil {
			return err
		}
		each(record.Job(id, task, index, signed))
		return nil
	}, task, since)
	return rev, err
}

// HasPending reports whether the agents may have more to say about a task (full id): about
// jobs without an outcome, lost ones, and those that lack output.
func (r *Reader) HasPending(ctx context.Context, task string) (pending bool, err error) {
	_, err = r.row(ctx, "SELECT EXISTS (SELECT 1"+ofTask+"AND ("+jobPending+"))", func(c *columns) { pending = c.bool() }, task)
	return pending, err
}

// Sums fills in the sums of the streams that have none yet because they are not whole. Archives
// have none.
func (r *Reader) Sums(ctx context.Context, jobs []model.Job) error {
	archives := map[string]bool{} // by task
	for i := range jobs {
		task := jobs[i].Task
		if _, known := archives[task]; !known {
			_, err := r.row(ctx, "SELECT archives FROM tasks WHERE id = ?", func(c *columns) { archives[task] = c.bool() }, task)
			if err != nil {
				return err
			}
		}
		for _, o := range []struct {
			stream string
			*model.Output
		}{{wire.Stdout, &jobs[i].Stdout}, {wire.Stderr, &jobs[i].Stderr}} {
			if o.Kept == 0 || o.Sum != "" || archives[task] && o.stream == wire.Stdout {
				continue
			}
			var err error
			if o.Sum, err = merge.Sum(r.Output(ctx, jobs[i].ID, o.stream, 0), 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// errStop ends a query whose caller needs no more rows.
var errStop = errors.New("the caller needs no more rows")

// Output ranges over what has arrived of one stream of a job, from an offset on, in order
// and without overlaps. The bytes of a Segment are valid until the next one. An error
// comes last. No query is open while a Segment is used: a person may read it in a pager, and
// SQLite's log could not shrink until then.
func (r *Reader) Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error] {
	return func(yield func(model.Segment, error) bool) {
		id, ok := ParseID(job)
		i, known := merge.StreamIndex(stream)
		if !ok || !known {
			return
		}
		var page []model.Segment
		var buffers [maxPage][]byte
		found := false
		for size := 2; ; size = min(2*size+1, maxPage) { // many want no more than the first lines
			rows := 0
			page = page[:0]
			err := r.query(ctx, `SELECT o.offset, o.data FROM jobs j JOIN output o ON o.job = j.seq AND o.stream = +?2 AND o.offset >=
				coalesce((SELECT max(offset) FROM output WHERE job = j.seq AND stream = +?2 AND offset <= +?3), 0)
				WHERE j.id = +?1 ORDER BY o.offset LIMIT +?4`, func(c *columns) error {
				offset, data := c.int64(), c.bytes(buffers[rows])
				buffers[rows] = data
				rows++
				if before := max(from-offset, 0); before < int64(len(data)) {
					page = append(page, model.Segment{Offset: offset + before, Data: data[before:]})
				}
				return nil
			}, id[:], i, from, size)
			found = found || rows > 0
			for _, g := range page {
				if err = cmp.Or(err, ctx.Err()); err != nil {
					break
				}
				if from = g.Offset + int64(len(g.Data)); !yield(g, nil) {
					return
				}
			}
			if err != nil {
				yield(model.Segment{}, err)
				return
			}
			if rows < size {
				break
			}
		}
		if found || stream != wire.Stdout {
			return
		}
		if err := r.archive(ctx, id, from, yield); err != nil && !errors.Is(err, errStop) {
			yield(model.Segment{}, err)
		}
	}
}

// maxPage is the most rows of output that Output reads at once, about a mebibyte.
const maxPage = 33

// archive is Output for a job whose standard output is in a file.
func (r *Reader) archive(ctx context.Context, job uuid.UUID, from int64, yield func(model.Segment, error) bool) error {
	var parts []merge.Span
	err := r.query(ctx, "SELECT a.offset, a.size FROM jobs j JOIN archives a ON a.job = j.seq WHERE j.id = ? ORDER BY a.offset", func(c *columns) error {
		start := c.int64()
		parts = append(parts, merge.Span{Start: start, End: start + c.int64()})
		return nil
	}, job[:])
	for _, p := range parts {
		if err != nil || ctx.Err() != nil {
			break
		}
		stopped := false // after that, yield must not be called again
		_, err = r.archives.Read(job, max(p.Start, from), p.End, func(offset int64, data []byte) bool {
			stopped = ctx.Err() == nil && !yield(model.Segment{Offset: offset, Data: data}, nil)
			return ctx.Err() == nil && !stopped
		})
		if stopped {
			return errStop
		}
	}
	return cmp.Or(err, context.Cause(ctx))
}

// Tail returns the offset at which the last lines of a stream begin, as far as it has
// arrived.
func (r *Reader) Tail(ctx context.Context, job, stream string, lines int) (from int64, err error) {
	id, ok := ParseID(job)
	i, known := merge.StreamIndex(stream)
	if !ok || !known {
		return 0, nil
	}
	last := true // the newline at the very end begins no line
	var data []byte
	err = r.query(ctx, "SELECT o.offset, o.data FROM jobs j JOIN output o ON o.job = j.seq AND o.stream = +? WHERE j.id = +? ORDER BY o.offset DESC", func(c *columns) error {
		offset := c.int64()
		data = c.bytes(data)
		end := len(data)
		if last && end > 0 {
			last = false
			from = offset + int64(end)
			if data[end-1] == '\n' {
				end--
			}
		}
		for {
			at := bytes.LastIndexByte(data[:end], '\n')
			if at < 0 {
				from = offset
				return nil
			}
			if lines--; lines <= 0 {
				from = offset + int64(at) + 1
				return errStop
			}
			end = at
		}
	}, i, id[:])
	if errors.Is(err, errStop) {
		err = nil
	}
	return from, err
}

// Outputs ranges over all output of a task (full id) in one pass: jobs by index, stdout
// before stderr, segments in order. The bytes of a Piece are valid until the next one. An
// error comes last.
func (r *Reader) Outputs(ctx context.Context, task string) iter.Seq2[model.Piece, error] {
	return r.pieces(ctx, `SELECT o.job - t.first_job, o.stream, o.offset, o.data FROM tasks t JOIN output o
		ON o.job BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.id = ? ORDER BY o.job, o.stream, o.offset`, task)
}

// Ends ranges over the last segment of each stream of a task's jobs (full id), in one
// pass. The bytes of a Piece are valid until the next one. An error comes last.
func (r *Reader) Ends(ctx context.Context, task string) iter.Seq2[model.Piece, error] {
	return r.pieces(ctx, `SELECT o.job - t.first_job, o.stream, o.offset, o.data FROM tasks t
		JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 JOIN (SELECT 0 AS stream UNION ALL SELECT 1) s
		JOIN output o ON o.job = j.seq AND o.stream = s.stream
			AND o.offset = (SELECT max(offset) FROM output WHERE job = j.seq AND stream = s.stream)
		WHERE t.id = ? AND (j.out_kept > 0 OR j.err_kept > 0)`, task)
}

// pieces ranges over the rows of a query about a task.
func (r *Reader) pieces(ctx context.Context, text, task string) iter.Seq2[model.Piece, error] {
	return func(yield func(model.Piece, error) bool) {
		var buffer []byte
		err := r.query(ctx, text, func(c *columns) error {
			p := model.Piece{Job: c.int()}
			stream := c.int()
			if stream < 0 || stream >= len(merge.StreamNames) {
				return fmt.Errorf("a stream of output is %d", stream)
			}
			p.Stream, p.Offset = merge.StreamNames[stream], c.int64()
			buffer = c.bytes(buffer)
			p.Data = buffer
			if !yield(p, nil) {
				return errStop
			}
			return nil
		}, task)
		if err != nil && !errors.Is(err, errStop) {
			yield(model.Piece{}, err)
		}
	}
}

// Agents returns the agents whose last answer came at or after a time, by id.
func (r *Reader) Agents(ctx context.Context, since time.Time) (out []model.Agent, err error) {
	err = r.query(ctx, "SELECT hello, seen FROM agents WHERE seen >= ? ORDER BY id", func(c *columns) error {
		var a model.Agent
		err := json.Unmarshal(c.bytes(nil), &a)
		a.Seen = merge.Time(c.int64())
		out = append(out, a)
		return err
	}, merge.Milliseconds(since))
	return out, err
}

// Hosts returns all names of hosts that have ended a job, and all names in the last
// answers of agents, sorted.
func (r *Reader) Hosts(ctx context.Context) (out []string, err error) {
	err = r.query(ctx, "SELECT name FROM hosts UNION SELECT n.value FROM agents, json_each(agents.hello, '$.names') n ORDER BY 1", func(c *columns) error {
		out = append(out, c.text())
		return nil
	})
	return out, err
}

// ParseID accepts only the form in which ids are written. uuid.Parse alone accepts more.
func ParseID(s string) (uuid.UUID, bool) {
	if len(s) != len(uuid.UUID{}.String()) {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}
