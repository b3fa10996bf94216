package sqlite

import (
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
)

// What one step of RemoveJobs and DeleteOlder removes at most, except for one job that is
// larger.
const (
	MaxTasks = 200
	MaxJobs  = 500
	maxBytes = 8 << 20
)

const (
	// freePages is how many free pages (of 4 KiB) are worth a step of ReleasePages.
	freePages = 64

	vacuum = "PRAGMA incremental_vacuum(1024)"
)

// removable are the tasks t each of whose jobs has an outcome, and whose last stage is verified if
// that was asked for and the rollout has not stopped (model.Rollout.Unverified).
const removable = `FROM tasks t WHERE t.hosts = (SELECT coalesce(sum(c.n), 0) FROM counts c WHERE c.task = t.seq)
	AND (t.rollout = '' OR t.rollout ->> 'verify' = '' OR EXISTS (SELECT 1 FROM json_each(t.rollout, '$.events') e
		WHERE e.value ->> 'event' = '` + model.Stopped + `' OR e.value ->> 'event' = '` + model.StageVerified + `'
			AND e.value ->> 'stage' = json_array_length(t.rollout, '$.stages')))`

// ClaimUpkeep reports whether the last upkeep of any process was longer ago than every,
// and records that this process does it now.
func (w *Writer) ClaimUpkeep(now time.Time, every time.Duration) (bool, error) {
	ms := merge.Milliseconds(now)
	err := w.Exec("UPDATE upkeep SET last = ? WHERE last <= ? OR last > ?", ms, ms-every.Milliseconds(), ms)
	return err == nil && w.conn.Changes() > 0, err
}

// ReturnUpkeep has the next process do the rest.
func (w *Writer) ReturnUpkeep() error { return w.Exec("UPDATE upkeep SET last = 0") }

// DeleteOlder deletes finished tasks that were created before a time, at most MaxTasks of
// them. Their jobs remain for RemoveJobs.
func (w *Writer) DeleteOlder(before time.Time) (int, error) {
	return w.deleteTasks("SELECT t.seq "+removable+" AND t.created < ? ORDER BY t.seq LIMIT ?", merge.Milliseconds(before), MaxTasks)
}

// DeleteOldest deletes the oldest finished task, but never the newest task.
func (w *Writer) DeleteOldest() (int, error) {
	return w.deleteTasks("SELECT t.seq " + removable + " AND t.seq < (SELECT max(seq) FROM tasks) ORDER BY t.seq LIMIT 1")
}

// TrimArchives deletes the oldest finished task with archives if all archives have more than most
// bytes, but never the newest task that has some. It returns the number of deleted tasks.
func TrimArchives(w *Writer, most int64) (int, error) {
	used, err := number(w.conn, `SELECT coalesce(sum((SELECT sum(j.out_kept) FROM jobs j
		WHERE j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1)), 0) FROM tasks t WHERE t.archives`)
	if err != nil || used <= most {
		return 0, err
	}
	return w.deleteTasks("SELECT t.seq " + removable + " AND t.archives AND t.seq < (SELECT max(seq) FROM tasks WHERE archives) ORDER BY t.seq LIMIT 1")
}

// deleteTasks deletes the tasks that a query selects, and returns their number.
func (w *Writer) deleteTasks(which string, args ...any) (int, error) {
	var tasks []int64
	err := w.Do(func(t *Tx) error {
		err := query(t.conn, which, func(c *columns) error {
			tasks = append(tasks, c.int64())
			return nil
		}, args...)
		for _, task := range tasks {
			if err == nil {
				err = t.deleteTask(task)
			}
		}
		return err
	})
	return len(tasks), err
}

func (t *Tx) deleteTask(task int64) error {
	for _, text := range []string{
		"INSERT INTO deleted_jobs (first_job, last_job) SELECT first_job, first_job + hosts - 1 FROM tasks WHERE seq = ?",
		"DELETE FROM statements WHERE task = ?",
		"DELETE FROM counts WHERE task = ?",
		"DELETE FROM tasks WHERE seq = ?",
	} {
		if err := execute(t.conn, text, task); err != nil {
			return err
		}
	}
	return nil
}

// RemoveJobs removes some jobs of deleted tasks and their output. It calls archive with each of them,
// before it is removed: if this process ends meanwhile, the next one calls it again. RemoveJobs
// reports whether there were any.
func (w *Writer) RemoveJobs(archive func(uuid.UUID)) (more bool, err error) {
	err = w.Do(func(t *Tx) error {
		more, err = t.removeJobs(archive)
		return err
	})
	return more, err
}

func (t *Tx) removeJobs(archive func(uuid.UUID)) (bool, error) {
	var first, last int64
	found, err := row(t.conn, "SELECT first_job, last_job FROM deleted_jobs ORDER BY first_job LIMIT 1", func(c *columns) {
		first, last = c.int64(), c.int64()
	})
	if err != nil || !found {
		return false, err
	}
	// As many jobs as stay below the bounds, but at least one.
	upTo, err := number(t.conn, `SELECT coalesce(max(seq), ?1) FROM (SELECT seq, sum(out_kept + err_kept) OVER (ORDER BY seq) AS bytes
		FROM jobs WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3) WHERE bytes <= ?4`, first, last, MaxJobs, maxBytes)
	if err != nil {
		return false, err
	}
	err = query(t.conn, "SELECT id FROM jobs WHERE seq BETWEEN ? AND ?", func(c *columns) error {
		id, err := c.uuid()
		if err == nil {
			archive(id)
		}
		return err
	}, first, upTo)
	if err != nil {
		return false, err
	}
	for _, text := range []string{
		"DELETE FROM output WHERE job BETWEEN ? AND ?",
		"DELETE FROM archives WHERE job BETWEEN ? AND ?",
		"DELETE FROM jobs WHERE seq BETWEEN ? AND ?",
	} {
		if err := execute(t.conn, text, first, upTo); err != nil {
			return false, err
		}
	}
	if upTo >= last {
		return true, execute(t.conn, "DELETE FROM deleted_jobs WHERE first_job = ?", first)
	}
	return true, execute(t.conn, "UPDATE deleted_jobs SET first_job = ? WHERE first_job = ?", upTo+1, first)
}

// ReleasePages returns some free pages to the disk. It reports whether there were any.
func (w *Writer) ReleasePages() (more bool, err error) {
	free, err := number(w.conn, "PRAGMA freelist_count")
	if err != nil || free < freePages {
		return false, err
	}
	if err := w.Exec(vacuum); err != nil {
		return false, err
	}
	// The file itself shrinks at a checkpoint. A reader in its way is no error: a later
	// checkpoint does it.
	if err := w.Exec("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return false, err
	}
	after, err := number(w.conn, "PRAGMA freelist_count")
	return after < free, err
}

// Used is the size of the database without its free pages.
func (w *Writer) Used() (int64, error) {
	return number(w.conn, "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size")
}
