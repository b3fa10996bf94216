package results

import (
	"context"
	"time"

	"warren/internal/operator/results/sqlite"
)

// Retention is what a store keeps by itself.
type Retention struct {
	Age  time.Duration // finished tasks are deleted once they are older; 0 keeps them
	Size int64         // bytes of the database file above which the oldest finished tasks are deleted; 0 is no bound

	// Archives is the bytes of archives above which the oldest finished tasks that have some are
	// deleted; 0 is no bound. The newest one stays.
	Archives int64
}

const (
	// upkeepInterval is how often one of the processes deletes old results. A process does
	// so for the first time firstUpkeep after its start, or when it ends, if that is
	// earlier.
	upkeepInterval = time.Hour
	firstUpkeep    = 2 * time.Second

	// upkeepDelay separates two steps, so that other requests wait for one step at most.
	upkeepDelay = 20 * time.Millisecond
	// exitUpkeepTimeout bounds the upkeep of a process that is about to end: a user waits
	// for that.
	exitUpkeepTimeout = 100 * time.Millisecond
)

// upkeep is the actor's state of deleting old results.
type upkeep struct {
	retention Retention
	begun     bool // this process has had its turn
	deleting  bool // there was something to delete
}

// Prune deletes the finished tasks that were created before a time. It returns how many
// they are, and the bytes of their output. With dry it only counts. The space is released
// later, step by step: see Vacuum.
func (s *Store) Prune(ctx context.Context, before time.Time, dry bool) (tasks int, bytes int64, err error) {
	if tasks, bytes, err = s.CountRemovable(ctx, before); err != nil || dry {
		return tasks, bytes, err
	}
	for {
		n, err := ask(ctx, s, func(a *actor) (int, error) { return a.deleteOlder(before) })
		if n == 0 || err != nil {
			return tasks, bytes, err
		}
	}
}

// Vacuum removes the jobs and the output of deleted tasks and releases the space to the
// disk. Without it the actor does so between other work.
func (s *Store) Vacuum(ctx context.Context) error {
	for {
		more, err := ask(ctx, s, (*actor).vacuum)
		if err != nil || !more {
			return err
		}
	}
}

// runUpkeep is the actor's turn at upkeep. It returns when the next one is due.
func (a *actor) runUpkeep() time.Duration {
	a.upkeep.begun = true
	if !a.upkeep.deleting && !a.claimUpkeep() {
		return upkeepInterval
	}
	delay := a.upkeepStep()
	a.upkeep.deleting = delay == upkeepDelay
	return delay
}

// upkeepOnExit is for a process that ends before its first turn. It leaves the rest to the
// next process.
func (a *actor) upkeepOnExit() {
	if a.upkeep.begun || !a.claimUpkeep() {
		return
	}
	for until := time.Now().Add(exitUpkeepTimeout); a.upkeepStep() == upkeepDelay; {
		if time.Now().After(until) {
			_ = a.db.ReturnUpkeep() // otherwise in an hour
			return
		}
	}
}

// claimUpkeep reports whether upkeep is due and no other process does it.
func (a *actor) claimUpkeep() bool {
	due, err := a.db.ClaimUpkeep(time.Now(), upkeepInterval)
	return err == nil && due
}

// upkeepStep does one step of upkeep and returns when the next one is due.
func (a *actor) upkeepStep() time.Duration {
	more, err := a.vacuum()
	if err == nil && !more {
		more, err = a.retain()
	}
	switch {
	case err != nil:
		a.log.Warn("old results are not deleted", "err", sqlite.Explain(a.path, err))
		return upkeepInterval
	case more:
		return upkeepDelay
	}
	return upkeepInterval
}

// retain deletes some of what the retention does not cover. For the size it deletes one
// task at a time.
func (a *actor) retain() (more bool, err error) {
	if a.upkeep.retention.Age > 0 {
		n, err := a.deleteOlder(time.Now().Add(-a.upkeep.retention.Age))
		if n > 0 || err != nil {
			return true, err
		}
	}
	if most := a.upkeep.retention.Archives; most > 0 {
		if n, err := a.deleted(sqlite.TrimArchives(a.db, most)); n > 0 || err != nil {
			return n > 0, err
		}
	}
	if a.upkeep.retention.Size <= 0 {
		return false, nil
	}
	used, err := a.db.Used()
	if err != nil || used <= a.upkeep.retention.Size {
		return false, err
	}
	n, err := a.deleted(a.db.DeleteOldest())
	return n > 0, err
}

func (a *actor) deleteOlder(before time.Time) (int, error) {
	return a.deleted(a.db.DeleteOlder(before))
}

// deleted follows each deletion of n tasks: their jobs may be among the live ones.
func (a *actor) deleted(n int, err error) (int, error) {
	if n > 0 {
		a.live.forget()
	}
	return n, err
}

// vacuum removes some jobs of deleted tasks, or releases some of the space to the disk. It
// reports whether there was anything to do.
func (a *actor) vacuum() (more bool, err error) {
	if more, err = a.db.RemoveJobs(a.archives.Remove); err != nil || more {
		return more, err
	}
	return a.db.ReleasePages()
}
