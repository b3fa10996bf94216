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
		n, err := ask(ctx, s, func(a *actor) (int, error) { return a.discardOlder(ctx, before) })
		if n == 0 || err != nil {
			return tasks, bytes, err
		}
	}
}

// Tidy removes what has been pruned, and gives the room back to the disk. Without
// it the actor does so in its own time.
func (s *Store) Tidy(ctx context.Context) error {
	for {
		more, err := ask(ctx, s, func(a *actor) (bool, error) { return a.tidy(ctx) })
		if err != nil || !more {
			return err
		}
	}
}

// removable are the tasks each of whose jobs has an outcome.
const removable = `FROM tasks t WHERE t.hosts = (SELECT coalesce(sum(c.n), 0) FROM counts c WHERE c.task = t.seq)`

func (a *actor) discardOlder(ctx context.Context, before time.Time) (int, error) {
	return a.discard(ctx, "SELECT t.seq "+removable+" AND t.created < ? ORDER BY t.seq LIMIT ?", toMilli(before), trashTasks)
}

// discard removes the tasks that a query names, and leaves their jobs to tidy.
func (a *actor) discard(ctx context.Context, which string, args ...any) (n int, err error) {
	ctx = context.WithoutCancel(ctx)
	err = a.tx.do(ctx, func() error {
		tasks, err := a.tx.numbers(ctx, which, args...)
		n = len(tasks)
		for _, task := range tasks {
			if err == nil {
				err = a.tx.discard(ctx, task)
			}
		}
		return err
	})
	if n > 0 {
		a.live.forget() // records of theirs among them
	}
	return n, err
}

func (t *txer) discard(ctx context.Context, task int64) error {
	for _, text := range []string{
		"INSERT INTO trash (first_job, last_job) SELECT first_job, first_job + hosts - 1 FROM tasks WHERE seq = ?",
		"DELETE FROM statements WHERE task = ?",
		"DELETE FROM counts WHERE task = ?",
		"DELETE FROM tasks WHERE seq = ?",
	} {
		if _, err := t.conn.ExecContext(ctx, text, task); err != nil {
			return err
		}
	}
	return nil
}

// numbers returns the rows of a query for one number each.
func (t *txer) numbers(ctx context.Context, text string, args ...any) (out []int64, err error) {
	rows, err := t.conn.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// due reports whether it is time to look what is to be removed, and notes that
// this process does.
func (a *actor) due(ctx context.Context) bool {
	now := time.Now()
	res, err := a.tx.conn.ExecContext(ctx, "UPDATE upkeep SET last = ? WHERE last <= ? OR last > ?", toMilli(now), toMilli(now.Add(-upkeepEvery)), toMilli(now))
	if err != nil {
		return false
	}
	n, err := res.RowsAffected()
	return err == nil && n > 0
}

// lastUpkeep is for a process that ends before its first look. What it leaves is
// the next one's.
func (a *actor) lastUpkeep(ctx context.Context) {
	if a.upkept || !a.due(ctx) {
		return
	}
	for until := time.Now().Add(upkeepLast); a.keep(ctx) == upkeepPause; {
		if time.Now().After(until) {
			_, _ = a.tx.conn.ExecContext(ctx, "UPDATE upkeep SET last = 0") // else in an hour
			return
		}
	}
}

// turn is the actor's turn at upkeep; it says when the next is due.
func (a *actor) turn(ctx context.Context) time.Duration {
	a.upkept = true
	if !a.removing && !a.due(ctx) {
		return upkeepEvery
	}
	pause := a.keep(ctx)
	a.removing = pause == upkeepPause
	return pause
}

// keep does one bit of upkeep and says when the next is due.
func (a *actor) keep(ctx context.Context) time.Duration {
	more, err := a.tidy(ctx)
	if err == nil && !more {
		more, err = a.retain(ctx)
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
func (a *actor) retain(ctx context.Context) (more bool, err error) {
	if a.retention.Age > 0 {
		n, err := a.discardOlder(ctx, time.Now().Add(-a.retention.Age))
		if n > 0 || err != nil {
			return true, err
		}
	}
	if a.retention.Size <= 0 {
		return false, nil
	}
	used, err := a.tx.used(ctx)
	if err != nil || used <= a.retention.Size {
		return false, err
	}
	n, err := a.discard(ctx, "SELECT t.seq "+removable+" ORDER BY t.seq LIMIT 1")
	return n > 0, err
}

// used is the size of the database without what is free in it.
func (t *txer) used(ctx context.Context) (int64, error) {
	var pages, free, size int64
	for _, p := range []struct {
		pragma string
		into   *int64
	}{{"page_count", &pages}, {"freelist_count", &free}, {"page_size", &size}} {
		if err := t.conn.QueryRowContext(ctx, "PRAGMA "+p.pragma).Scan(p.into); err != nil {
			return 0, err
		}
	}
	return (pages - free) * size, nil
}

// tidy removes some of the jobs of discarded tasks, or gives some of the room
// back to the disk, and reports whether there was anything.
func (a *actor) tidy(ctx context.Context) (more bool, err error) {
	ctx = context.WithoutCancel(ctx)
	err = a.tx.do(ctx, func() (err error) {
		more, err = a.tx.removeTrash(ctx)
		return err
	})
	if err != nil || more {
		return more, err
	}
	return a.tx.giveBack(ctx)
}

func (t *txer) removeTrash(ctx context.Context) (bool, error) {
	var first, last, upTo int64
	err := t.conn.QueryRowContext(ctx, "SELECT first_job, last_job FROM trash ORDER BY first_job LIMIT 1").Scan(&first, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// As many jobs as stay below the bounds, but one at least.
	err = t.conn.QueryRowContext(ctx, `SELECT coalesce(max(seq), ?1) FROM (SELECT seq, sum(out_kept + err_kept) OVER (ORDER BY seq) AS bytes
		FROM jobs WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3) WHERE bytes <= ?4`, first, last, trashJobs, trashBytes).Scan(&upTo)
	if err != nil {
		return false, err
	}
	for _, text := range []string{
		"DELETE FROM output WHERE job BETWEEN ? AND ?",
		"DELETE FROM jobs WHERE seq BETWEEN ? AND ?",
	} {
		if _, err := t.conn.ExecContext(ctx, text, first, upTo); err != nil {
			return false, err
		}
	}
	if upTo >= last {
		_, err = t.conn.ExecContext(ctx, "DELETE FROM trash WHERE first_job = ?", first)
	} else {
		_, err = t.conn.ExecContext(ctx, "UPDATE trash SET first_job = ? WHERE first_job = ?", upTo+1, first)
	}
	return true, err
}

// giveBack returns some free pages to the disk.
func (t *txer) giveBack(ctx context.Context) (bool, error) {
	var free, after int
	if err := t.conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil || free < freePages {
		return false, err
	}
	rows, err := t.conn.QueryContext(ctx, vacuumText) // it works as it is stepped
	if err != nil {
		return false, err
	}
	for rows.Next() {
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, err
	}
	// The file itself shrinks at a checkpoint. A reader in its way is no error:
	// a later checkpoint does it.
	_, err = t.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if err == nil {
		err = t.conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&after)
	}
	return after < free, err
}
