package results

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Retention is what a store keeps by itself.
type Retention struct {
	Age  time.Duration // tasks that are done are removed once they are older; 0 keeps them
	Size int64         // bytes of the database file, above which the oldest go first; 0 is no bound
}

const (
	// upkeepEvery is how often it is looked what is to be removed, by whichever
	// process comes first; upkeepFirst is when a process looks for the first time.
	// One that ends earlier looks then, if it is due.
	upkeepEvery = time.Hour
	upkeepFirst = 2 * time.Second

	// upkeepPause parts two bits of removal, so that what else waits for the
	// actor waits for one bit at most. upkeepLast is how long a process does so that
	// is about to end, and that somebody waits for.
	upkeepPause = 20 * time.Millisecond
	upkeepLast  = 100 * time.Millisecond

	// What one bit removes at most, but for one job that is larger; and how many
	// free pages (of 4 KiB) it takes to give some back to the disk.
	trashTasks = 200
	trashJobs  = 500
	trashBytes = 8 << 20
	freePages  = 64
	vacuumText = "PRAGMA incremental_vacuum(1024)"
)

// Prune removes the tasks that are done and older than before, and returns how
// many they are and how many bytes of output they have. Dry, it only counts. The
// room that they take goes bit by bit: see Tidy.
func (s *Store) Prune(ctx context.Context, before time.Time, dry bool) (tasks int, bytes int64, err error) {
	if err := s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum((SELECT sum(j.out_kept + j.err_kept) FROM jobs j
		WHERE j.seq BETWEEN t.first_job AND t.first_job + t.hosts - 1)), 0) `+removable+" AND t.created < ?", toMilli(before)).Scan(&tasks, &bytes); err != nil || dry {
		return tasks, bytes, explain(s.path, err)
	}
	for {
		n, err := ask(ctx, s, func(a *actor) (int, error) { return a.discardOlder(before) })
		if n == 0 || err != nil {
			return tasks, bytes, err
		}
	}
}

// Tidy removes what has been pruned, and gives the room back to the disk. Without
// it the actor does so in its own time.
func (s *Store) Tidy(ctx context.Context) error {
	for {
		more, err := ask(ctx, s, func(a *actor) (bool, error) { return a.tidy() })
		if err != nil || !more {
			return err
		}
	}
}

// removable are the tasks each of whose jobs has an outcome.
const removable = `FROM tasks t WHERE t.hosts = (SELECT coalesce(sum(c.n), 0) FROM counts c WHERE c.task = t.seq)`

func (a *actor) discardOlder(before time.Time) (int, error) {
	return a.discard("SELECT t.seq "+removable+" AND t.created < ? ORDER BY t.seq LIMIT ?", toMilli(before), trashTasks)
}

// discard removes the tasks that a query names, and leaves their jobs to tidy.
func (a *actor) discard(which string, args ...any) (n int, err error) {
	err = a.tx.do(func() error {
		tasks, err := a.tx.numbers(which, args...)
		n = len(tasks)
		for _, task := range tasks {
			if err == nil {
				err = a.tx.discard(task)
			}
		}
		return err
	})
	if n > 0 {
		a.live.forget() // records of theirs among them
	}
	return n, err
}

func (t *txer) discard(task int64) error {
	for _, text := range []string{
		"INSERT INTO deleted_jobs (first_job, last_job) SELECT first_job, first_job + hosts - 1 FROM tasks WHERE seq = ?",
		"DELETE FROM statements WHERE task = ?",
		"DELETE FROM counts WHERE task = ?",
		"DELETE FROM tasks WHERE seq = ?",
	} {
		if _, err := t.conn.exec(text, task); err != nil {
			return err
		}
	}
	return nil
}

// numbers returns the rows of a query for one number each.
func (t *txer) numbers(text string, args ...any) (out []int64, err error) {
	var n int64
	s := t.conn.stmt(text)
	defer s.close()
	err = s.each([]any{&n}, func() error {
		out = append(out, n)
		return nil
	}, args...)
	return out, err
}

// due reports whether it is time to look what is to be removed, and notes that
// this process does.
func (a *actor) due() bool {
	now := time.Now()
	n, err := a.tx.conn.exec("UPDATE upkeep SET last = ? WHERE last <= ? OR last > ?", toMilli(now), toMilli(now.Add(-upkeepEvery)), toMilli(now))
	return err == nil && n > 0
}

// lastUpkeep is for a process that ends before its first look. What it leaves is
// the next one's.
func (a *actor) lastUpkeep() {
	if a.upkept || !a.due() {
		return
	}
	for until := time.Now().Add(upkeepLast); a.keep() == upkeepPause; {
		if time.Now().After(until) {
			_, _ = a.tx.conn.exec("UPDATE upkeep SET last = 0") // else in an hour
			return
		}
	}
}

// turn is the actor's turn at upkeep; it says when the next is due.
func (a *actor) turn() time.Duration {
	a.upkept = true
	if !a.removing && !a.due() {
		return upkeepEvery
	}
	pause := a.keep()
	a.removing = pause == upkeepPause
	return pause
}

// keep does one bit of upkeep and says when the next is due.
func (a *actor) keep() time.Duration {
	more, err := a.tidy()
	if err == nil && !more {
		more, err = a.retain()
	}
	switch {
	case err != nil:
		a.log.Warn("old results are not removed", "err", explain(a.path, err))
		return upkeepEvery
	case more:
		return upkeepPause
	}
	return upkeepEvery
}

// retain discards some of what the retention does not cover, one task at a time
// where it is for its size.
func (a *actor) retain() (more bool, err error) {
	if a.retention.Age > 0 {
		n, err := a.discardOlder(time.Now().Add(-a.retention.Age))
		if n > 0 || err != nil {
			return true, err
		}
	}
	if a.retention.Size <= 0 {
		return false, nil
	}
	used, err := a.tx.used()
	if err != nil || used <= a.retention.Size {
		return false, err
	}
	n, err := a.discard("SELECT t.seq " + removable + " ORDER BY t.seq LIMIT 1")
	return n > 0, err
}

// used is the size of the database without what is free in it.
func (t *txer) used() (int64, error) {
	var pages, free, size int64
	for _, p := range []struct {
		pragma string
		into   *int64
	}{{"page_count", &pages}, {"freelist_count", &free}, {"page_size", &size}} {
		if err := t.conn.row([]any{p.into}, "PRAGMA "+p.pragma); err != nil {
			return 0, err
		}
	}
	return (pages - free) * size, nil
}

// tidy removes some of the jobs of discarded tasks, or gives some of the room
// back to the disk, and reports whether there was anything.
func (a *actor) tidy() (more bool, err error) {
	err = a.tx.do(func() (err error) {
		more, err = a.tx.removeTrash()
		return err
	})
	if err != nil || more {
		return more, err
	}
	return a.tx.giveBack()
}

func (t *txer) removeTrash() (bool, error) {
	var first, last, upTo int64
	err := t.conn.row([]any{&first, &last}, "SELECT first_job, last_job FROM deleted_jobs ORDER BY first_job LIMIT 1")
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// As many jobs as stay below the bounds, but one at least.
	err = t.conn.row([]any{&upTo}, `SELECT coalesce(max(seq), ?1) FROM (SELECT seq, sum(out_kept + err_kept) OVER (ORDER BY seq) AS bytes
		FROM jobs WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3) WHERE bytes <= ?4`, first, last, trashJobs, trashBytes)
	if err != nil {
		return false, err
	}
	for _, text := range []string{
		"DELETE FROM output WHERE job BETWEEN ? AND ?",
		"DELETE FROM jobs WHERE seq BETWEEN ? AND ?",
	} {
		if _, err := t.conn.exec(text, first, upTo); err != nil {
			return false, err
		}
	}
	if upTo >= last {
		_, err = t.conn.exec("DELETE FROM deleted_jobs WHERE first_job = ?", first)
	} else {
		_, err = t.conn.exec("UPDATE deleted_jobs SET first_job = ? WHERE first_job = ?", upTo+1, first)
	}
	return true, err
}

// giveBack returns some free pages to the disk.
func (t *txer) giveBack() (bool, error) {
	var free, after int
	if err := t.conn.row([]any{&free}, "PRAGMA freelist_count"); err != nil || free < freePages {
		return false, err
	}
	if _, err := t.conn.exec(vacuumText); err != nil {
		return false, err
	}
	// The file itself shrinks at a checkpoint. A reader in its way is no error:
	// a later checkpoint does it.
	_, err := t.conn.exec("PRAGMA wal_checkpoint(PASSIVE)")
	if err == nil {
		err = t.conn.row([]any{&after}, "PRAGMA freelist_count")
	}
	return after < free, err
}
