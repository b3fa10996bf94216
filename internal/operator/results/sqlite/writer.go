package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"
	"zombiezen.com/go/sqlite"

	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
)

// A Writer is the connection that writes. Its calls do not end before they are done: a
// transaction is short.
type Writer struct {
	conn *sqlite.Conn
	path string
}

// Exec carries out one statement.
func (w *Writer) Exec(text string, args ...any) error { return execute(w.conn, text, args...) }

// Do calls f within a transaction, which is undone if f or the commit fails.
//
// It does not use sqlitex.ImmediateTransaction, which panics if the rollback fails.
func (w *Writer) Do(f func(*Tx) error) error {
	// IMMEDIATE: a transaction that reads first and then wants to write could not wait for
	// another's, but would fail.
	if err := w.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(&Tx{w.conn})
	if err == nil {
		err = w.Exec("COMMIT")
	}
	// Some errors, a full disk among them, have already rolled back:
	// https://sqlite.org/lang_transaction.html
	if err != nil && !w.conn.AutocommitEnabled() {
		_ = w.Exec("ROLLBACK") // err says what is wrong
	}
	return err
}

// DataVersion changes when another connection has committed. That costs no read of the
// database: https://sqlite.org/pragma.html#pragma_data_version
func (w *Writer) DataVersion() (int64, error) { return number(w.conn, "PRAGMA data_version") }

// TaskRow returns the key of a task, by its full id, and its number of jobs. Its error is
// ErrNoTask if there is none.
func (w *Writer) TaskRow(id string) (key int64, hosts int, err error) {
	found, err := row(w.conn, "SELECT seq, hosts FROM tasks WHERE id = ?", func(c *columns) {
		key, hosts = c.int64(), c.int()
	}, id)
	if err == nil && !found {
		err = noTask(id)
	}
	return key, hosts, err
}

// SetControl records what an operator has asked of the task.
func (w *Writer) SetControl(task int64, c model.Control) error {
	return w.Exec("UPDATE tasks SET "+string(c)+" = 1 WHERE seq = ?", task)
}

// Claim replaces the driver of a task (full id). It reports false if the task has another
// driver than that by now.
func (w *Writer) Claim(task, from, to string) (bool, error) {
	err := w.Exec("UPDATE tasks SET driver = ? WHERE id = ? AND driver = ?", to, task, from)
	return w.conn.Changes() > 0, err
}

// SetRollout writes a rollout, and syncs it, which other transactions do not: see
// OpenWriter.
func (w *Writer) SetRollout(task int64, r *model.Rollout) error {
	return synced(w, func() error {
		return w.Exec("UPDATE tasks SET rollout = ?, rev = rev + 1 WHERE seq = ?", jsonText(r), task)
	})
}

// ClaimRollout replaces the driver and the rollout of a task (full id), and syncs that. It
// reports false if the task has another driver than from by now, or if the number of events
// of its rollout is no longer events.
func (w *Writer) ClaimRollout(task, from, to string, events int, r *model.Rollout) (taken bool, err error) {
	err = synced(w, func() error {
		err := w.Exec(`UPDATE tasks SET driver = ?, rollout = ?, pause = 0, rev = rev + 1
			WHERE id = ? AND driver = ? AND coalesce(json_array_length(rollout, '$.events'), 0) = ?`, to, jsonText(r), task, from, events)
		taken = w.conn.Changes() > 0
		return err
	})
	return taken && err == nil, err
}

// DoSynced is Do for a transaction that a loss of power must not undo.
func (w *Writer) DoSynced(f func(*Tx) error) error {
	return synced(w, func() error { return w.Do(f) })
}

// synced carries out a transaction that a loss of power does not undo.
func synced(w *Writer, f func() error) (err error) {
	if err := w.Exec("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Exec("PRAGMA synchronous = NORMAL")) }()
	return f()
}

// Summary counts the jobs of a task by their outcome.
func (w *Writer) Summary(task int64, hosts int) (model.Summary, error) {
	sum := model.NewSummary(hosts)
	err := query(w.conn, "SELECT kind, n FROM counts WHERE task = ?", func(c *columns) error {
		sum.Add(c.text(), c.int())
		return nil
	}, task)
	if err == nil {
		sum.Rev, err = number(w.conn, selectRev, task)
	}
	return sum, err
}

// PendingJobs returns the jobs of a task about which an agent may have more to say.
func (w *Writer) PendingJobs(task int64) (ids []uuid.UUID, err error) {
	err = query(w.conn, `SELECT j.id FROM tasks t JOIN jobs j ON j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1
		WHERE t.seq = ? AND (`+jobPending+`) ORDER BY j.seq`, func(c *columns) error {
		id, err := c.uuid()
		ids = append(ids, id)
		return err
	}, task)
	return ids, err
}

// ForgetAgents forgets the agents that answered longest ago, so that at most so many
// remain, with so many bytes.
func (w *Writer) ForgetAgents(most, bytes int) error {
	var newest string // of those to be forgotten
	var when int64
	n := 0
	err := query(w.conn, "SELECT id, seen, octet_length(hello) FROM agents ORDER BY seen DESC, id DESC", func(c *columns) error {
		id, seen, size := c.text(), c.int64(), c.int()
		n, bytes = n+1, bytes-size
		if newest == "" && (n > most || bytes < 0) {
			newest, when = id, seen
		}
		return nil
	})
	if err != nil || newest == "" {
		return err
	}
	return w.Exec("DELETE FROM agents WHERE (seen, id) <= (?, ?)", when, newest)
}

// Close moves the write-ahead log into the database, syncs that, and closes the
// connection. The last connection to close removes the log.
func (w *Writer) Close() error {
	return errors.Join(w.moveLog(), w.conn.Close())
}

// moveLog does what SQLite does when the last connection closes, but reports errors. If
// another process reads at that moment, the rest of the log is left to that process.
func (w *Writer) moveLog() error {
	w.conn.SetBusyTimeout(0)
	err := w.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	switch code := sqlite.ErrCode(err).ToPrimary(); {
	case err == nil || code == sqlite.ResultBusy:
		return nil
	case code == sqlite.ResultFull:
		err = fmt.Errorf("the disk is full: %w", err)
	default:
		err = fmt.Errorf("cannot complete the file: %w", err)
	}
	return hint.Errorf(fmt.Sprintf("nothing is lost: the newest results are in %s-wal, "+
		"and the next warren command moves them once the disk has room", filepath.Base(w.path)), "result store %s: %w", w.path, err)
}

// A Tx is a transaction of a Writer.
type Tx struct{ conn *sqlite.Conn }

// DataVersion is Writer.DataVersion. During a transaction no other connection commits.
func (t *Tx) DataVersion() (int64, error) { return number(t.conn, "PRAGMA data_version") }

// AddTask stores a task and its jobs, whose ids are in the same order. It returns the keys
// of the task and of its first job.
func (t *Tx) AddTask(task *model.Task, jobs []model.Job, ids []uuid.UUID) (key, first int64, err error) {
	first, err = number(t.conn, "SELECT 1 + max(coalesce((SELECT max(seq) FROM jobs), 0), coalesce((SELECT max(last_job) FROM deleted_jobs), 0))")
	if err != nil {
		return 0, 0, err
	}
	err = execute(t.conn, `INSERT INTO tasks (id, command, operator, key, created, not_after, timeout, max_output, archives, hosts, first_job, driver, cancel,
		when_online, fanout, retry_of, verify_of, rollout, script, stdin) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		task.ID, task.Command, task.Operator, task.Key, merge.Milliseconds(task.Created), merge.Milliseconds(task.NotAfter),
		task.Timeout.Milliseconds(), task.MaxOutput, task.Archives, task.Hosts, first, task.Driver, task.Cancel,
		task.WhenOnline, task.Fanout, task.RetryOf, task.VerifyOf, jsonText(task.Rollout), jsonText(task.Script), jsonText(task.Stdin))
	if err != nil {
		return 0, 0, err
	}
	key = t.conn.LastInsertRowID()
	if task.Statement != "" {
		if err := execute(t.conn, "INSERT INTO statements (task, text) VALUES (?,?)", key, task.Statement); err != nil {
			return 0, 0, err
		}
	}
	for i, j := range jobs {
		if err := t.addJob(task, &j, first+int64(i), ids[i], key); err != nil {
			return 0, 0, err
		}
	}
	return key, first, nil
}

func (t *Tx) addJob(task *model.Task, j *model.Job, seq int64, id uuid.UUID, key int64) error {
	if s := j.Signed; s.NotAfter.IsZero() || s.NotAfter.Equal(task.NotAfter) && s.Issued.Equal(task.Created) {
		return execute(t.conn, "INSERT INTO jobs (seq, id, task, host, digest) VALUES (?,?,?,?,?)", seq, id[:], key, j.Host, j.Digest)
	}
	return execute(t.conn, "INSERT INTO jobs (seq, id, task, host, digest, issued, not_after) VALUES (?,?,?,?,?,?,?)",
		seq, id[:], key, j.Host, j.Digest, merge.Milliseconds(j.Signed.Issued), merge.Milliseconds(j.Signed.NotAfter))
}

const selectRev = "SELECT rev FROM tasks WHERE seq = ?"

// NewRev begins a new revision of a task: that of the transaction.
func (t *Tx) NewRev(task int64) (rev int64, err error) {
	if rev, err = number(t.conn, selectRev, task); err != nil {
		return 0, err
	}
	rev++
	return rev, execute(t.conn, "UPDATE tasks SET rev = ? WHERE seq = ?", rev, task)
}

// AddHost remembers the name of a host that has ended a job.
func (t *Tx) AddHost(name string) error {
	return execute(t.conn, "INSERT OR IGNORE INTO hosts (name) VALUES (?)", name)
}

// AddCounts changes the counts of tasks: by key and kind of job.
func (t *Tx) AddCounts(deltas map[int64]map[string]int) error {
	for task, kinds := range deltas {
		for kind, n := range kinds {
			if n == 0 {
				continue
			}
			err := execute(t.conn, "INSERT INTO counts (task, kind, n) VALUES (?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n", task, kind, n)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// SaveAgent stores an agent's answer to a discover, as JSON. It reports whether the agent
// is new.
func (t *Tx) SaveAgent(id, hello string, seen int64) (created bool, err error) {
	err = execute(t.conn, "UPDATE agents SET hello = ?, seen = ? WHERE id = ?", hello, seen, id)
	if err != nil || t.conn.Changes() > 0 {
		return false, err
	}
	return true, execute(t.conn, "INSERT INTO agents (id, hello, seen) VALUES (?,?,?)", id, hello, seen)
}

// SetDuplicates records how many others have answered with an agent's id, and whether one
// of them has another login. It changes the agent's time as well, so that readers of what
// is new see it.
func (t *Tx) SetDuplicates(agent string, n int, twoLogins bool, seen int64) error {
	return execute(t.conn, "UPDATE agents SET hello = json_set(hello, '$.duplicates', ?, '$.two_logins', json(?)), seen = ? WHERE id = ?",
		n, fmt.Sprint(twoLogins), seen, agent)
}

// ForgetHosts deletes what is known about hosts, except their results: the agents that have these
// names, and all names of these agents. It returns the names that were unknown.
func (t *Tx) ForgetHosts(names []string) (unknown []string, err error) {
	agents, namesOf := map[string][]string{}, map[string][]string{} // by name, by agent
	err = query(t.conn, "SELECT a.id, n.value FROM agents a LEFT JOIN json_each(a.hello, '$.names') n", func(c *columns) error {
		id, name := c.text(), c.text()
		agents[name] = append(agents[name], id)
		namesOf[id] = append(namesOf[id], name)
		return nil
	})
	for _, name := range names {
		known, forget := false, []string{name}
		for _, id := range append(agents[name], name) {
			if _, ok := namesOf[id]; ok && err == nil {
				known, forget = true, append(forget, namesOf[id]...)
				err = execute(t.conn, "DELETE FROM agents WHERE id = ?", id)
			}
		}
		for _, name := range forget {
			if err == nil {
				err = execute(t.conn, "DELETE FROM hosts WHERE name = ?", name)
				known = known || t.conn.Changes() > 0
			}
		}
		if !known {
			unknown = append(unknown, name)
		}
	}
	return unknown, err
}
