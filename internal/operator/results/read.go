package results

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"

	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// minPrefix is how many digits of an id must be given.
const minPrefix = 4

// Find returns the task of an id or an unambiguous prefix of one, of 4 hex
// digits or more. Errors: ErrBadID, ErrNoTask, *AmbiguousError.
func (s *Store) Find(ctx context.Context, prefix string) (model.Task, error) {
	from, err := idPrefix(prefix)
	if err != nil {
		return model.Task{}, err
	}
	// Digits and dashes sort before "g".
	found, err := s.tasks(ctx, withPrefix, from, from+"g")
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

// withPrefix are the tasks whose ids are in a range: by their keys, since SQLite would
// rather read all tasks in their order than a range of ids and sort that.
const withPrefix = "WHERE seq IN (SELECT seq FROM tasks WHERE id >= ? AND id < ?)"

// idPrefix brings the beginning of an id, with its dashes or without any, into
// the form that ids are stored in.
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
		return "", hint.Errorf("leave the dashes away", "%w: %q has a dash where none belongs", ErrBadID, s)
	}
	if len(digits) < minPrefix {
		return "", hint.Errorf(fmt.Sprintf("give %d characters or more", minPrefix), "%w: %q is too short", ErrBadID, s)
	}
	return id, nil
}

// Tasks returns the newest tasks first, at most limit of them; 0 is all.
func (s *Store) Tasks(ctx context.Context, limit int) ([]model.Task, error) {
	if limit <= 0 {
		limit = -1 // SQLite's "no limit"
	}
	return s.tasks(ctx, "ORDER BY seq DESC LIMIT ?", limit)
}

func selectTasks(which string) string {
	return `SELECT t.id, t.command, t.operator, t.created, t.not_after, t.timeout, t.max_output, t.hosts, t.driver, t.cancel,
		t.when_online, t.fanout, t.retry_of, t.rollout, coalesce(c.kind, ''), coalesce(c.n, 0)
		FROM (SELECT * FROM tasks ` + which + `) t LEFT JOIN counts c ON c.task = t.seq ORDER BY t.seq DESC`
}

func (s *Store) tasks(ctx context.Context, which string, args ...any) (out []model.Task, err error) {
	err = s.query(ctx, selectTasks(which), args, func(rows *sql.Rows) error {
		var t model.Task
		var created, notAfter, timeout int64
		var kind, rollout string
		var n int
		err := rows.Scan(&t.ID, &t.Command, &t.Operator, &created, &notAfter, &timeout, &t.MaxOutput, &t.Hosts, &t.Driver, &t.Cancel,
			&t.WhenOnline, &t.Fanout, &t.RetryOf, &rollout, &kind, &n)
		if err != nil {
			return err
		}
		if len(out) == 0 || out[len(out)-1].ID != t.ID {
			t.Created, t.NotAfter = fromMilli(created), fromMilli(notAfter)
			t.Timeout = time.Duration(timeout) * time.Millisecond
			t.Summary = model.NewSummary(t.Hosts)
			if t.Rollout, err = parseRollout(rollout); err != nil {
				return fmt.Errorf("the rollout of task %s: %w", t.ID, err)
			}
			out = append(out, t)
		}
		out[len(out)-1].Summary.Add(kind, n)
		return nil
	})
	return out, err
}

// Statement returns the text that was signed for the task (full id).
func (s *Store) Statement(ctx context.Context, task string) (text string, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT coalesce(s.text, '') FROM tasks t LEFT JOIN statements s ON s.task = t.seq WHERE t.id = ?", task).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", noTask(task)
	}
	return text, explain(s.path, err)
}

// ofTask joins a task's jobs.
const ofTask = " FROM tasks t JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.id = ? "

// signedTimes are those of the job's own statement, or its task's.
const signedTimes = "coalesce(nullif(j.issued, 0), t.created), coalesce(nullif(j.not_after, 0), t.not_after), "

// Jobs returns the jobs of a task (full id) in the order of its hosts.
func (s *Store) Jobs(ctx context.Context, task string) ([]model.Job, error) {
	hosts, err := s.hosts(ctx, task)
	if err != nil {
		return nil, err
	}
	out := make([]model.Job, 0, hosts)
	_, err = s.changed(ctx, task, -1, func(j model.Job) { out = append(out, j) })
	if err == nil && len(out) != hosts { // SQLite itself has no checksums
		err = damaged(s.path, fmt.Errorf("task %s has %d of its %d jobs", task, len(out), hosts))
	}
	return out, err
}

// Changed calls each with the jobs of a task (full id) that have changed since
// its revision since, in the order of its hosts, and returns the revision that
// they show. Jobs that nobody has changed yet are of revision 0.
func (s *Store) Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error) {
	return s.changed(ctx, task, since, each)
}

func (s *Store) changed(ctx context.Context, task string, since int64, each func(model.Job)) (int64, error) {
	rev := since
	var (
		r             record
		id            uuid.UUID
		state, index  int
		issued, until int64
	)
	dest := append([]any{&rev, &id, &index, &r.host, &r.digest, &issued, &until}, r.pointers(&state)...)
	err := s.query(ctx, "SELECT t.rev, j.id, j.seq - t.first_job, j.host, j.digest, "+signedTimes+jobFacts+ofTask+"AND j.rev > ? ORDER BY j.seq", []any{task, since}, func(rows *sql.Rows) error {
		r = record{}
		err := rows.Scan(dest...)
		if err != nil {
			return err
		}
		if r.state, err = stateOf(state); err != nil {
			return err
		}
		each(r.job(id, task, index, model.Signed{Issued: fromMilli(issued), NotAfter: fromMilli(until)}))
		return nil
	})
	return rev, err
}

// Unsettled reports whether more about a task (full id) may come from its
// agents: of jobs without an outcome, lost ones, and those that lack output.
func (s *Store) Unsettled(ctx context.Context, task string) (any bool, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1"+ofTask+"AND ("+unsettled+"))", task).Scan(&any)
	return any, explain(s.path, err)
}

// Sums fills in the sums of those streams of the jobs that have none yet: of
// commands that run still, or that an older warren has stored.
func (s *Store) Sums(ctx context.Context, jobs []model.Job) error {
	for i := range jobs {
		for _, o := range []struct {
			stream string
			*model.Output
		}{{wire.Stdout, &jobs[i].Stdout}, {wire.Stderr, &jobs[i].Stderr}} {
			if o.Kept == 0 || o.Sum != "" {
				continue
			}
			var err error
			if o.Sum, err = Sum(s.Output(ctx, jobs[i].ID, o.stream, 0), 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) hosts(ctx context.Context, task string) (n int, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT hosts FROM tasks WHERE id = ?", task).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noTask(task)
	}
	return n, explain(s.path, err)
}

func (r *record) job(id uuid.UUID, task string, index int, signed model.Signed) model.Job {
	return model.Job{
		ID: id.String(), Task: task, Host: r.host, Index: index, Digest: r.digest, Signed: signed,
		State: r.state, Agent: r.agent, Outcome: r.outcome, ExitCode: r.exit, Signal: r.signal, Wait: r.wait, Reason: r.reason,
		Accepted: fromMilli(r.accepted), Started: fromMilli(r.started), Finished: fromMilli(r.finished),
		Killed: r.killed, Left: r.left,
		Stdout: r.out[0].output(), Stderr: r.out[1].output(), CodePage: r.page,
	}
}

func (a *account) output() model.Output {
	o := model.Output{Size: a.size, Dropped: a.dropped, Kept: a.kept, Sum: a.sum}
	if a.size == unknownSize {
		o.Size = a.kept
	}
	o.Gone = a.gone && o.Missing() > 0
	return o
}

// Output ranges over what has arrived of one stream of a job from an offset on,
// in order, without overlaps. The bytes of a Segment are valid until the next.
// An error comes last.
func (s *Store) Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error] {
	return func(yield func(model.Segment, error) bool) {
		id, ok := parseID(job)
		i, known := streamIndex(stream)
		if !ok || !known {
			return
		}
		err := s.query(ctx, `SELECT o.offset, o.data FROM jobs j JOIN output o ON o.job = j.seq AND o.stream = ?2 AND o.offset >=
			coalesce((SELECT max(offset) FROM output WHERE job = j.seq AND stream = ?2 AND offset <= ?3), 0)
			WHERE j.id = ?1 ORDER BY o.offset`,
			[]any{id[:], i, from}, func(rows *sql.Rows) error {
				var g model.Segment
				var data sql.RawBytes
				if err := rows.Scan(&g.Offset, &data); err != nil {
					return err
				}
				if before := from - g.Offset; before > 0 {
					if before >= int64(len(data)) {
						return nil
					}
					g.Offset, data = from, data[before:]
				}
				if g.Data = data; !yield(g, nil) {
					return errStop
				}
				return nil
			})
		if err != nil && !errors.Is(err, errStop) {
			yield(model.Segment{}, err)
		}
	}
}

// Tail returns the offset at which the last lines of a stream begin, as far as
// it has arrived.
func (s *Store) Tail(ctx context.Context, job, stream string, lines int) (from int64, err error) {
	id, ok := parseID(job)
	i, known := streamIndex(stream)
	if !ok || !known {
		return 0, nil
	}
	last := true // the newline at the very end begins no line
	err = s.query(ctx, "SELECT o.offset, o.data FROM jobs j JOIN output o ON o.job = j.seq AND o.stream = ? WHERE j.id = ? ORDER BY o.offset DESC",
		[]any{i, id[:]}, func(rows *sql.Rows) error {
			var offset int64
			var data sql.RawBytes
			if err := rows.Scan(&offset, &data); err != nil {
				return err
			}
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
		})
	if errors.Is(err, errStop) {
		err = nil
	}
	return from, err
}

// errStop ends a query whose caller has had enough.
var errStop = errors.New("the range has ended")

// Outputs ranges over all output of a task (full id) in one pass: jobs by
// index, stdout before stderr, segments in order. The bytes of a Piece are
// valid until the next. An error comes last.
func (s *Store) Outputs(ctx context.Context, task string) iter.Seq2[model.Piece, error] {
	return s.pieces(ctx, `SELECT o.job - t.first_job, o.stream, o.offset, o.data FROM tasks t JOIN output o
		ON o.job BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.id = ? ORDER BY o.job, o.stream, o.offset`, task)
}

// pieces ranges over what a query about a task finds.
func (s *Store) pieces(ctx context.Context, text, task string) iter.Seq2[model.Piece, error] {
	return func(yield func(model.Piece, error) bool) {
		err := s.query(ctx, text, []any{task}, func(rows *sql.Rows) error {
			var p model.Piece
			var stream int
			var data sql.RawBytes
			if err := rows.Scan(&p.Job, &stream, &p.Offset, &data); err != nil {
				return err
			}
			if stream < 0 || stream >= len(streamNames) {
				return fmt.Errorf("a stream of output is %d", stream)
			}
			p.Stream, p.Data = streamNames[stream], data
			if !yield(p, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(model.Piece{}, err)
		}
	}
}

// Ends ranges over the last segment of each stream of a task's jobs (full id), in
// one pass. The bytes of a Piece are valid until the next. An error comes last.
func (s *Store) Ends(ctx context.Context, task string) iter.Seq2[model.Piece, error] {
	return s.pieces(ctx, `SELECT o.job - t.first_job, o.stream, o.offset, o.data FROM tasks t
		JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 JOIN (SELECT 0 AS stream UNION ALL SELECT 1) s
		JOIN output o ON o.job = j.seq AND o.stream = s.stream
			AND o.offset = (SELECT max(offset) FROM output WHERE job = j.seq AND stream = s.stream)
		WHERE t.id = ? AND (j.out_kept > 0 OR j.err_kept > 0)`, task)
}

// Agents returns the agents whose last answer came at or after since, by id.
func (s *Store) Agents(ctx context.Context, since time.Time) (out []model.Agent, err error) {
	err = s.query(ctx, "SELECT hello, seen FROM agents WHERE seen >= ? ORDER BY id", []any{toMilli(since)}, func(rows *sql.Rows) error {
		var a model.Agent
		var text []byte
		var seen int64
		if err := rows.Scan(&text, &seen); err != nil {
			return err
		}
		a.Seen = fromMilli(seen)
		err := json.Unmarshal(text, &a)
		out = append(out, a)
		return err
	})
	return out, err
}

// Hosts returns all host names that an agent has ended a job for, or says in its
// last answer that it has, sorted.
func (s *Store) Hosts(ctx context.Context) (out []string, err error) {
	err = s.query(ctx, "SELECT name FROM hosts UNION SELECT n.value FROM agents, json_each(agents.hello, '$.names') n ORDER BY 1", nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		out = append(out, name)
		return err
	})
	return out, err
}

// query calls each with every row.
func (s *Store) query(ctx context.Context, text string, args []any, each func(*sql.Rows) error) error {
	rows, err := s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return explain(s.path, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return explain(s.path, err)
		}
	}
	return explain(s.path, rows.Err())
}
