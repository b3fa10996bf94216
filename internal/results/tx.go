package results

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
)

// A txer writes through the one writing connection. Its contexts never end:
// database/sql starts a goroutine for each call with one that can, and a
// transaction is short.
type txer struct {
	conn *sql.Conn

	begin, commit, rollback         *sql.Stmt
	selJob, updJob, insJob          *sql.Stmt
	selLimit, selTask, insTask      *sql.Stmt
	insStatement, updCancel         *sql.Stmt
	selSpans, insOutput, updOutput  *sql.Stmt
	selPieces                       *sql.Stmt
	updCount, selCounts             *sql.Stmt
	insHost, insAgent, selUnsettled *sql.Stmt
	updSigned, updDriver            *sql.Stmt
	selNextJob, selVersion          *sql.Stmt
	updRev, selRev, selData         *sql.Stmt
	updRollout                      *sql.Stmt
	updAgent, updRivals             *sql.Stmt
	delAgents                       *sql.Stmt
}

const jobFacts = `state, agent, outcome, exit_code, signal, reason, accepted, started, finished, code_page,
	out_size, out_dropped, out_kept, out_end, out_gone, out_sum,
	err_size, err_dropped, err_kept, err_end, err_gone, err_sum`

// unsettled is true of a job that an agent may still have something to say about.
const unsettled = `j.state < 4 OR j.outcome = 'lost'
	OR NOT j.out_gone AND j.out_size - j.out_dropped > j.out_kept
	OR NOT j.err_gone AND j.err_size - j.err_dropped > j.err_kept`

func newTxer(ctx context.Context, conn *sql.Conn) (*txer, error) {
	t := &txer{conn: conn}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		// IMMEDIATE: a transaction that reads first and then wants to write
		// could not wait for another's, but would fail.
		{&t.begin, "BEGIN IMMEDIATE"},
		{&t.commit, "COMMIT"},
		{&t.rollback, "ROLLBACK"},
		{&t.selJob, "SELECT seq, task, host, digest, " + jobFacts + " FROM jobs WHERE id = ?"},
		{&t.updJob, "UPDATE jobs SET (" + jobFacts + ", rev) = (?,?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?, ?,?,?,?,?,?, ?) WHERE seq = ?"},
		{&t.updRev, "UPDATE tasks SET rev = rev + 1 WHERE seq = ? RETURNING rev"},
		{&t.selRev, "SELECT rev FROM tasks WHERE seq = ?"},
		{&t.selData, "SELECT offset, data FROM output WHERE job = ? AND stream = ? ORDER BY offset"},
		{&t.updDriver, "UPDATE tasks SET driver = ? WHERE id = ? AND driver = ?"},
		{&t.updSigned, "UPDATE jobs SET digest = ?, issued = ?, not_after = ? WHERE seq = ?"},
		{&t.insJob, "INSERT INTO jobs (seq, id, task, host, digest) VALUES (?,?,?,?,?)"},
		{&t.selNextJob, "SELECT 1 + max(coalesce((SELECT max(seq) FROM jobs), 0), coalesce((SELECT max(last_job) FROM trash), 0))"},
		{&t.updRollout, "UPDATE tasks SET rollout = ?, rev = rev + 1 WHERE seq = ?"},
		{&t.selLimit, "SELECT max_output FROM tasks WHERE seq = ?"},
		{&t.selTask, "SELECT seq, hosts FROM tasks WHERE id = ?"},
		{&t.insTask, "INSERT INTO tasks (id, command, operator, created, not_after, timeout, max_output, hosts, first_job, driver, cancel, when_online, fanout, retry_of, rollout) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
		{&t.insStatement, "INSERT INTO statements (task, text) VALUES (?,?)"},
		{&t.updCancel, "UPDATE tasks SET cancel = 1 WHERE seq = ?"},
		{&t.selSpans, `SELECT offset, length(data) FROM output WHERE job = ?1 AND stream = ?2 AND offset < ?4 AND offset >=
			coalesce((SELECT max(offset) FROM output WHERE job = ?1 AND stream = ?2 AND offset <= ?3), ?3) ORDER BY offset`},
		{&t.insOutput, "INSERT INTO output (job, stream, offset, data) VALUES (?,?,?,?)"},
		{&t.updOutput, `UPDATE output SET data = CAST(data || ?4 AS BLOB) WHERE job = ?1 AND stream = ?2 AND offset =
			(SELECT max(offset) FROM output WHERE job = ?1 AND stream = ?2 AND offset < ?3) AND offset + length(data) = ?3 AND length(data) < ?5`},
		{&t.selPieces, "SELECT count(*) FROM (SELECT 1 FROM output WHERE job = ? AND stream = ? LIMIT ?)"},
		{&t.updCount, "INSERT INTO counts (task, kind, n) VALUES (?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n"},
		{&t.selCounts, "SELECT kind, n FROM counts WHERE task = ?"},
		{&t.insHost, "INSERT OR IGNORE INTO hosts (name) VALUES (?)"},
		{&t.insAgent, "INSERT INTO agents (id, hello, seen) VALUES (?,?,?)"},
		{&t.updAgent, "UPDATE agents SET hello = ?, seen = ? WHERE id = ?"},
		{&t.updRivals, "UPDATE agents SET hello = json_set(hello, '$.rivals', ?) WHERE id = ?"},
		{&t.delAgents, "DELETE FROM agents WHERE id IN (SELECT id FROM agents ORDER BY seen DESC LIMIT -1 OFFSET ?)"},
		{&t.selUnsettled, `SELECT j.id FROM tasks t JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.seq = ? AND (
` + unsettled + `) ORDER BY j.seq`},
		{&t.selVersion, "PRAGMA data_version"},
	} {
		var err error
		if *p.stmt, err = conn.PrepareContext(ctx, p.text); err != nil {
			return nil, fmt.Errorf("%w in %q", err, p.text)
		}
	}
	return t, nil
}

// close frees the statements; they end with the connection at the latest.
func (t *txer) close() {
	for _, s := range []*sql.Stmt{
		t.begin, t.commit, t.rollback, t.selJob, t.updJob, t.insJob, t.selLimit, t.selTask, t.insTask, t.insStatement, t.updCancel,
		t.selSpans, t.insOutput, t.updOutput, t.selPieces, t.updCount, t.selCounts, t.insHost, t.insAgent, t.selUnsettled, t.selNextJob, t.selVersion, t.updSigned, t.updDriver,
		t.updRev, t.selRev, t.selData, t.updAgent, t.updRivals, t.delAgents,
		t.updRollout,
	} {
		_ = s.Close()
	}
}

// do calls f within a transaction, which is undone where f or the commit fails.
func (t *txer) do(ctx context.Context, f func() error) error {
	if _, err := t.begin.ExecContext(ctx); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = t.commit.ExecContext(ctx)
	}
	if err != nil {
		// Some errors, a full disk among them, have rolled back already; then
		// this one fails, and the transaction is as gone:
		// https://sqlite.org/lang_transaction.html
		_, _ = t.rollback.ExecContext(ctx)
	}
	return err
}

// addTask returns the keys of the task and of its first job.
func (t *txer) addTask(ctx context.Context, task *Task, jobs []Job, ids []uuid.UUID) (row, first int64, err error) {
	if err := t.selNextJob.QueryRowContext(ctx).Scan(&first); err != nil {
		return 0, 0, err
	}
	res, err := t.insTask.ExecContext(ctx, task.ID, task.Command, task.Operator, toMilli(task.Created), toMilli(task.NotAfter),
		task.Timeout.Milliseconds(), task.MaxOutput, task.Hosts, first, task.Driver, task.Cancel,
		task.WhenOnline, task.Fanout, task.RetryOf, rolloutText(task.Rollout))
	if err != nil {
		return 0, 0, err
	}
	row, err = res.LastInsertId()
	if err != nil {
		return 0, 0, err
	}
	if task.Statement != "" {
		if _, err := t.insStatement.ExecContext(ctx, row, task.Statement); err != nil {
			return 0, 0, err
		}
	}
	for i, j := range jobs {
		digest := j.Digest
		if digest == nil {
			digest = []byte{}
		}
		if _, err := t.insJob.ExecContext(ctx, first+int64(i), ids[i][:], row, j.Host, digest); err != nil {
			return 0, 0, err
		}
	}
	return row, first, nil
}

// taskRow returns the key of a task, by its full id, and its number of jobs.
func (t *txer) taskRow(ctx context.Context, id string) (row int64, hosts int, err error) {
	err = t.selTask.QueryRowContext(ctx, id).Scan(&row, &hosts)
	if errors.Is(err, sql.ErrNoRows) {
		err = noTask(id)
	}
	return row, hosts, err
}

func (t *txer) setCancel(ctx context.Context, row int64) error {
	_, err := t.updCancel.ExecContext(ctx, row)
	return err
}

func (t *txer) claim(ctx context.Context, task, dead, driver string) (bool, error) {
	res, err := t.updDriver.ExecContext(ctx, driver, task, dead)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// readJob reads a job's record by its id. It reports false where there is none.
func (t *txer) readJob(ctx context.Context, id uuid.UUID, r *record) (bool, error) {
	var state int
	dest := append([]any{&r.row, &r.task, &r.host, &r.digest}, r.pointers(&state)...)
	err := t.selJob.QueryRowContext(ctx, id[:]).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if r.state, err = stateOf(state); err != nil {
		return false, err
	}
	return true, nil
}

// maxOutput is how many bytes of each stream are kept of a task's jobs.
func (t *txer) maxOutput(ctx context.Context, task int64) (n int64, err error) {
	return n, t.selLimit.QueryRowContext(ctx, task).Scan(&n)
}

// pointers are where a row's members jobFacts go; the state is a number there.
func (f *facts) pointers(state *int) []any {
	o, e := &f.out[0], &f.out[1]
	return []any{
		state, &f.agent, &f.outcome, &f.exit, &f.signal, &f.reason, &f.accepted, &f.started, &f.finished, &f.page,
		&o.size, &o.dropped, &o.kept, &o.end, &o.gone, &o.sum,
		&e.size, &e.dropped, &e.kept, &e.end, &e.gone, &e.sum,
	}
}

func stateOf(n int) (State, error) {
	if n < 0 || n >= len(states) {
		return "", fmt.Errorf("a job's state is %d", n)
	}
	return states[n], nil
}

// newRev begins a new revision of a task: that of the transaction.
func (t *txer) newRev(ctx context.Context, task int64) (rev int64, err error) {
	return rev, t.updRev.QueryRowContext(ctx, task).Scan(&rev)
}

func (t *txer) writeJob(ctx context.Context, r *record, rev int64) error {
	o, e := &r.out[0], &r.out[1]
	_, err := t.updJob.ExecContext(ctx,
		rank(r.state), r.agent, string(r.outcome), r.exit, r.signal, r.reason, r.accepted, r.started, r.finished, r.page,
		o.size, o.dropped, o.kept, o.end, o.gone, []byte(o.sum),
		e.size, e.dropped, e.kept, e.end, e.gone, []byte(e.sum), rev, r.row)
	return err
}

// sum is the contentHash of what is stored of a stream.
func (t *txer) sum(ctx context.Context, job int64, stream int) (string, error) {
	rows, err := t.selData.QueryContext(ctx, job, stream)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var h contentHash
	for rows.Next() {
		var offset int64
		var data sql.RawBytes
		if err := rows.Scan(&offset, &data); err != nil {
			return "", err
		}
		h.add(offset, data)
	}
	return h.sum(), rows.Err()
}

func (t *txer) writeSigned(ctx context.Context, r *record) error {
	_, err := t.updSigned.ExecContext(ctx, r.digest, toMilli(r.signed.Issued), toMilli(r.signed.NotAfter), r.row)
	return err
}

// spans returns what the store has around a chunk.
func (t *txer) spans(ctx context.Context, job int64, c chunk) (out []span, err error) {
	rows, err := t.selSpans.QueryContext(ctx, job, c.stream, c.offset, c.offset+int64(len(c.data)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var start, n int64
		if err := rows.Scan(&start, &n); err != nil {
			return nil, err
		}
		out = append(out, span{start, start + n})
	}
	return out, rows.Err()
}

// Output that comes in crumbs is put together, so that it does not cost more in
// rows than in bytes; and where it cannot be, since it has gaps, a stream has so
// many pieces at most.
const (
	crumb     = 4 << 10 // bytes
	maxPieces = 4096    // of a stream
)

// addOutput stores a piece, the first of its stream or a further one, and reports
// whether there was room for it.
func (t *txer) addOutput(ctx context.Context, job int64, c chunk, first bool) (bool, error) {
	if !first && len(c.data) < crumb {
		res, err := t.updOutput.ExecContext(ctx, job, c.stream, c.offset, c.data, 4*crumb)
		if err != nil {
			return false, err
		}
		if n, err := res.RowsAffected(); n > 0 || err != nil {
			return true, err
		}
		pieces := 0
		if err := t.selPieces.QueryRowContext(ctx, job, c.stream, maxPieces).Scan(&pieces); err != nil || pieces >= maxPieces {
			return false, err
		}
	}
	_, err := t.insOutput.ExecContext(ctx, job, c.stream, c.offset, c.data)
	return err == nil, err
}

func (t *txer) addHost(ctx context.Context, name string) error {
	_, err := t.insHost.ExecContext(ctx, name)
	return err
}

func (t *txer) addCounts(ctx context.Context, deltas map[int64]map[string]int) error {
	for task, kinds := range deltas {
		for kind, n := range kinds {
			if n == 0 {
				continue
			}
			if _, err := t.updCount.ExecContext(ctx, task, kind, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txer) summary(ctx context.Context, task int64, hosts int) (Summary, error) {
	s := newSummary(hosts)
	rows, err := t.selCounts.QueryContext(ctx, task)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var n int
		if err := rows.Scan(&kind, &n); err != nil {
			return s, err
		}
		s.add(kind, n)
	}
	if err := rows.Err(); err != nil {
		return s, err
	}
	return s, t.selRev.QueryRowContext(ctx, task).Scan(&s.Rev)
}

func newSummary(hosts int) Summary { return Summary{Hosts: hosts, Outcomes: map[wire.Outcome]int{}} }

func (s *Summary) add(kind string, n int) {
	switch {
	case n == 0:
		return // a kind that jobs have had: lost ones that were replaced
	case kind == kindOK:
		s.OK += n
	default:
		s.Outcomes[wire.Outcome(kind)] += n
	}
	s.Ended += n
}

// unsettled returns the jobs of a task that an agent may still have something
// to say about.
func (t *txer) unsettled(ctx context.Context, task int64) (ids []uuid.UUID, err error) {
	rows, err := t.selUnsettled.QueryContext(ctx, task)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// saveAgent reports whether the agent is a new one.
func (t *txer) saveAgent(ctx context.Context, h *wire.Hello, seen time.Time) (created bool, err error) {
	text, err := json.Marshal(h)
	if err != nil {
		return false, err
	}
	res, err := t.updAgent.ExecContext(ctx, string(text), toMilli(seen), h.Agent)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return false, err
	}
	_, err = t.insAgent.ExecContext(ctx, h.Agent, string(text), toMilli(seen))
	return true, err
}

func (t *txer) setRivals(ctx context.Context, agent string, n int) error {
	_, err := t.updRivals.ExecContext(ctx, n, agent)
	return err
}

// forgetAgents forgets all but so many of those that were seen last.
func (t *txer) forgetAgents(ctx context.Context, most int) error {
	_, err := t.delAgents.ExecContext(ctx, most)
	return err
}

// dataVersion changes when another connection has committed.
func (t *txer) dataVersion(ctx context.Context) (v int64, err error) {
	return v, t.selVersion.QueryRowContext(ctx).Scan(&v)
}

func toMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// latest is the last millisecond of the year 9999: beyond it RFC 3339 and JSON
// have no form, and agents may say what they like.
const latest = 253402300799999

func fromMilli(ms int64) time.Time {
	if ms <= 0 || ms > latest {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
