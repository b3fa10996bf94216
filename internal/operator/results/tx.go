package results

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/model"
)

// A txer writes through the one writing connection.
type txer struct {
	conn conn
	all  []*stmt

	begin, commit, rollback         *stmt
	selJob, updJob, insJob          *stmt
	selLimit, selTask, insTask      *stmt
	insStatement, updCancel         *stmt
	selSpans, insOutput, updOutput  *stmt
	selPieces                       *stmt
	updCount, selCounts             *stmt
	insHost, insAgent, selUnsettled *stmt
	updSigned, updDriver            *stmt
	selNextJob, selVersion          *stmt
	updRev, selRev, selData         *stmt
	updRollout                      *stmt
	updAgent, updRivals             *stmt
	selAgents, delAgents            *stmt
}

const jobFacts = `state, agent, outcome, exit_code, signal, wait, reason, accepted, started, finished, killed, left_running, code_page,
	out_size, out_dropped, out_kept, out_end, out_gone, out_sum,
	err_size, err_dropped, err_kept, err_end, err_gone, err_sum`

// unsettled is true of a job that an agent may still have something to say about.
const unsettled = `j.state < 4 OR j.outcome = 'lost'
	OR NOT j.out_gone AND j.out_size - j.out_dropped > j.out_kept
	OR NOT j.err_gone AND j.err_size - j.err_dropped > j.err_kept`

func newTxer(c driverConn) *txer {
	t := &txer{conn: conn{c}}
	for _, p := range []struct {
		stmt **stmt
		text string
	}{
		// IMMEDIATE: a transaction that reads first and then wants to write
		// could not wait for another's, but would fail.
		{&t.begin, "BEGIN IMMEDIATE"},
		{&t.commit, "COMMIT"},
		{&t.rollback, "ROLLBACK"},
		{&t.selJob, "SELECT seq, task, host, digest, " + jobFacts + " FROM jobs WHERE id = ?"},
		{&t.updJob, "UPDATE jobs SET (" + jobFacts + ", rev) = (?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?, ?,?,?,?,?,?, ?) WHERE seq = ?"},
		{&t.updRev, "UPDATE tasks SET rev = ? WHERE seq = ?"},
		{&t.selRev, "SELECT rev FROM tasks WHERE seq = ?"},
		{&t.selData, "SELECT offset, data FROM output WHERE job = ? AND stream = ? ORDER BY offset"},
		{&t.updDriver, "UPDATE tasks SET driver = ? WHERE id = ? AND driver = ?"},
		{&t.updSigned, "UPDATE jobs SET digest = ?, issued = ?, not_after = ? WHERE seq = ?"},
		{&t.insJob, "INSERT INTO jobs (seq, id, task, host, digest) VALUES (?,?,?,?,?)"},
		{&t.selNextJob, "SELECT 1 + max(coalesce((SELECT max(seq) FROM jobs), 0), coalesce((SELECT max(last_job) FROM deleted_jobs), 0))"},
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
		{&t.updRivals, "UPDATE agents SET hello = json_set(hello, '$.rivals', ?, '$.two_logins', json(?)), seen = ? WHERE id = ?"},
		{&t.selAgents, "SELECT id, seen, octet_length(hello) FROM agents ORDER BY seen DESC, id DESC"},
		{&t.delAgents, "DELETE FROM agents WHERE (seen, id) <= (?, ?)"},
		{&t.selUnsettled, `SELECT j.id FROM tasks t JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1 WHERE t.seq = ? AND (
` + unsettled + `) ORDER BY j.seq`},
		{&t.selVersion, "PRAGMA data_version"},
	} {
		*p.stmt = t.conn.stmt(p.text)
		t.all = append(t.all, *p.stmt)
	}
	return t
}

// close frees the statements.
func (t *txer) close() {
	for _, s := range t.all {
		s.close()
	}
}

// prepare prepares what a task with one quick host needs, so that nobody waits for
// it later. What fails says so when it is used.
func (t *txer) prepare() {
	for _, s := range []*stmt{
		t.begin, t.selVersion, t.selNextJob, t.insTask, t.insStatement, t.insJob, t.commit,
		t.selRev, t.updRev, t.updJob, t.insHost, t.updCount, t.selTask, t.selCounts,
	} {
		_ = s.prepare()
	}
}

// do calls f within a transaction, which is undone where f or the commit fails.
func (t *txer) do(f func() error) error {
	if _, err := t.begin.exec(); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = t.commit.exec()
	}
	if err != nil {
		// Some errors, a full disk among them, have rolled back already; then
		// this one fails, and the transaction is as gone:
		// https://sqlite.org/lang_transaction.html
		_, _ = t.rollback.exec()
	}
	return err
}

// addTask returns the keys of the task and of its first job.
func (t *txer) addTask(task *model.Task, jobs []model.Job, ids []uuid.UUID) (row, first int64, err error) {
	if err := t.selNextJob.row([]any{&first}); err != nil {
		return 0, 0, err
	}
	row, err = t.insTask.insert(task.ID, task.Command, task.Operator, toMilli(task.Created), toMilli(task.NotAfter),
		task.Timeout.Milliseconds(), task.MaxOutput, task.Hosts, first, task.Driver, task.Cancel,
		task.WhenOnline, task.Fanout, task.RetryOf, rolloutText(task.Rollout))
	if err != nil {
		return 0, 0, err
	}
	if task.Statement != "" {
		if _, err := t.insStatement.exec(row, task.Statement); err != nil {
			return 0, 0, err
		}
	}
	for i, j := range jobs {
		digest := j.Digest
		if digest == nil {
			digest = []byte{}
		}
		if _, err := t.insJob.exec(first+int64(i), ids[i][:], row, j.Host, digest); err != nil {
			return 0, 0, err
		}
	}
	return row, first, nil
}

// taskRow returns the key of a task, by its full id, and its number of jobs.
func (t *txer) taskRow(id string) (row int64, hosts int, err error) {
	err = t.selTask.row([]any{&row, &hosts}, id)
	if errors.Is(err, sql.ErrNoRows) {
		err = noTask(id)
	}
	return row, hosts, err
}

func (t *txer) setCancel(row int64) error {
	_, err := t.updCancel.exec(row)
	return err
}

func (t *txer) claim(task, dead, driver string) (bool, error) {
	n, err := t.updDriver.exec(driver, task, dead)
	return n == 1, err
}

// readJob reads a job's record by its id. It reports false where there is none.
func (t *txer) readJob(id uuid.UUID, r *record) (bool, error) {
	var state int
	dest := append([]any{&r.row, &r.task, &r.host, &r.digest}, r.pointers(&state)...)
	err := t.selJob.row(dest, id[:])
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
func (t *txer) maxOutput(task int64) (n int64, err error) {
	return n, t.selLimit.row([]any{&n}, task)
}

// pointers are where a row's members jobFacts go; the state is a number there.
func (f *facts) pointers(state *int) []any {
	o, e := &f.out[0], &f.out[1]
	return []any{
		state, &f.agent, (*string)(&f.outcome), &f.exit, &f.signal, (*uint8)(&f.wait), &f.reason, &f.accepted, &f.started, &f.finished, &f.killed, &f.left, &f.page,
		&o.size, &o.dropped, &o.kept, &o.end, &o.gone, &o.sum,
		&e.size, &e.dropped, &e.kept, &e.end, &e.gone, &e.sum,
	}
}

func stateOf(n int) (model.State, error) {
	if n < 0 || n >= len(model.States) {
		return "", fmt.Errorf("a job's state is %d", n)
	}
	return model.States[n], nil
}

// newRev begins a new revision of a task: that of the transaction. An UPDATE with
// RETURNING would cost more than both.
func (t *txer) newRev(task int64) (rev int64, err error) {
	if err := t.selRev.row([]any{&rev}, task); err != nil {
		return 0, err
	}
	rev++
	_, err = t.updRev.exec(rev, task)
	return rev, err
}

func (t *txer) writeJob(r *record, rev int64) error {
	o, e := &r.out[0], &r.out[1]
	_, err := t.updJob.exec(
		r.state.Rank(), r.agent, string(r.outcome), r.exit, r.signal, int64(r.wait), r.reason, r.accepted, r.started, r.finished, r.killed, r.left, r.page,
		o.size, o.dropped, o.kept, o.end, o.gone, []byte(o.sum),
		e.size, e.dropped, e.kept, e.end, e.gone, []byte(e.sum), rev, r.row)
	return err
}

// sum is the contentHash of what is stored of a stream.
func (t *txer) sum(job int64, stream int) (string, error) {
	var h contentHash
	var offset int64
	var data []byte
	err := t.selData.each([]any{&offset, &data}, func() error {
		h.add(offset, data)
		return nil
	}, job, stream)
	return h.sum(), err
}

func (t *txer) writeSigned(r *record) error {
	_, err := t.updSigned.exec(r.digest, toMilli(r.anew.Issued), toMilli(r.anew.NotAfter), r.row)
	return err
}

// spans returns what the store has around a chunk.
func (t *txer) spans(job int64, c chunk) (out []span, err error) {
	var start, n int64
	err = t.selSpans.each([]any{&start, &n}, func() error {
		out = append(out, span{start, start + n})
		return nil
	}, job, c.stream, c.offset, c.offset+int64(len(c.data)))
	return out, err
}

// Output that comes in crumbs is put together, so that it does not cost more in
// rows than in bytes; and where it cannot be, since it has gaps, a stream has so
// many pieces at most.
const (
	crumb     = 4 << 10 // bytes
	maxPieces = 4096    // of a stream
)

// extendOutput puts a small piece at the end of the one that it follows, where there
// is such a one and it is not large yet.
func (t *txer) extendOutput(job int64, c chunk) (bool, error) {
	n, err := t.updOutput.exec(job, c.stream, c.offset, c.data, 4*crumb)
	return n > 0, err
}

// pieces is how many pieces the store has of a stream, maxPieces at most.
func (t *txer) pieces(job int64, stream int) (n int, err error) {
	return n, t.selPieces.row([]any{&n}, job, stream, maxPieces)
}

// addOutput stores a piece as one of its own.
func (t *txer) addOutput(job int64, c chunk) error {
	_, err := t.insOutput.exec(job, c.stream, c.offset, c.data)
	return err
}

func (t *txer) addHost(name string) error {
	_, err := t.insHost.exec(name)
	return err
}

func (t *txer) addCounts(deltas map[int64]map[string]int) error {
	for task, kinds := range deltas {
		for kind, n := range kinds {
			if n == 0 {
				continue
			}
			if _, err := t.updCount.exec(task, kind, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txer) summary(task int64, hosts int) (model.Summary, error) {
	s := model.NewSummary(hosts)
	var kind string
	var n int
	err := t.selCounts.each([]any{&kind, &n}, func() error {
		s.Add(kind, n)
		return nil
	}, task)
	if err != nil {
		return s, err
	}
	return s, t.selRev.row([]any{&s.Rev}, task)
}

// unsettled returns the jobs of a task that an agent may still have something
// to say about.
func (t *txer) unsettled(task int64) (ids []uuid.UUID, err error) {
	var id uuid.UUID
	err = t.selUnsettled.each([]any{&id}, func() error {
		ids = append(ids, id)
		return nil
	}, task)
	return ids, err
}

// saveAgent reports whether the agent is a new one.
func (t *txer) saveAgent(id, hello string, seen time.Time) (created bool, err error) {
	if n, err := t.updAgent.exec(hello, toMilli(seen), id); err != nil || n > 0 {
		return false, err
	}
	_, err = t.insAgent.exec(id, hello, toMilli(seen))
	return true, err
}

// setRivals notes it at a time, so that whoever reads what is new sees it.
func (t *txer) setRivals(agent string, n int, twoLogins bool, seen time.Time) error {
	_, err := t.updRivals.exec(n, strconv.FormatBool(twoLogins), toMilli(seen), agent)
	return err
}

// forgetAgents forgets all but so many, of so many bytes, of those that were seen last.
func (t *txer) forgetAgents(most, bytes int) error {
	var id, newest string // newest of those to be forgotten
	var seen, when int64
	var n, size int
	err := t.selAgents.each([]any{&id, &seen, &size}, func() error {
		n, bytes = n+1, bytes-size
		if newest == "" && (n > most || bytes < 0) {
			newest, when = id, seen
		}
		return nil
	})
	if err != nil || newest == "" {
		return err
	}
	_, err = t.delAgents.exec(when, newest)
	return err
}

// dataVersion changes when another connection has committed.
func (t *txer) dataVersion() (v int64, err error) {
	return v, t.selVersion.row([]any{&v})
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
