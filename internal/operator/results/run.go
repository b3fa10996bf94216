package results

import (
	"context"
	"log/slog"
	"time"
)

// pollInterval is how often the actor looks for other processes' commits while
// somebody watches a task.
const pollInterval = 200 * time.Millisecond

// The bounds of one transaction: it holds the database's write lock, for which
// other processes wait, and its output in memory.
const (
	batchUpdates = 1000
	batchBytes   = 4 << 20
)

// An actor is the state of Run. Its methods are called by Run's goroutine only.
type actor struct {
	path string
	log  *slog.Logger
	tx   *txer

	live    liveJobs
	named   map[string]bool         // in table hosts, put there by this process
	created int                     // agents that were new
	rolls   map[string]*roll        // by the discover's id
	checks  map[string]awaited      // by the job's id
	watched map[string]*watchedTask // by task id
	version int64                   // PRAGMA data_version when the watched were last read
	counts  Counts

	retention Retention
	upkept    bool // this process has looked for what is to be removed
	removing  bool // there was something

	trouble error     // why the last transaction failed; nil where it did not
	since   time.Time // the first of the failures in a row
}

// Run is the only writer of this process. It returns nil once ctx has ended and
// everything that was waiting is committed. Run may be called once.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.done)
	// The driver's connection is its alone, from here to the end of run.
	return s.conn.Raw(func(c any) error {
		s.run(ctx, c.(driverConn))
		return nil
	})
}

func (s *Store) newActor(c driverConn) *actor {
	return &actor{
		path: s.path, log: s.log, tx: newTxer(c), live: liveJobs{}, named: map[string]bool{}, rolls: map[string]*roll{},
		checks: map[string]awaited{}, watched: map[string]*watchedTask{}, retention: s.retention,
	}
}

func (s *Store) run(ctx context.Context, c driverConn) {
	a := s.newActor(c)
	defer a.tx.close()
	defer a.end()
	a.tx.prepare()

	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	poll.Stop()
	polling := false
	upkeep := time.NewTimer(upkeepFirst)
	defer upkeep.Stop()
	for {
		if watching := len(a.watched) > 0; watching != polling {
			polling = watching
			if polling {
				poll.Reset(pollInterval)
			} else {
				poll.Stop()
			}
		}
		select {
		case r := <-s.inbox:
			a.take(r, s.inbox)
		case <-poll.C:
			a.poll()
		case <-upkeep.C:
			upkeep.Reset(a.turn())
		case <-ctx.Done():
			a.drain(s.inbox)
			a.lastUpkeep()
			return
		}
	}
}

// drain takes what is waiting. Whoever sends later finds the store stopped.
func (a *actor) drain(inbox <-chan request) {
	for {
		select {
		case r := <-inbox:
			a.take(r, inbox)
		default:
			return
		}
	}
}

// take carries a request out, together with the updates that are waiting behind
// it, in their order.
func (a *actor) take(r request, inbox <-chan request) {
	var b batch
	for r != nil {
		switch r := r.(type) {
		case *applying:
			b.add(r)
		case calling:
			a.commit(&b) // what came before it
			b = batch{}
			r(a)
		}
		r = nil
		if !b.full() {
			select {
			case r = <-inbox:
			default:
			}
		}
	}
	a.commit(&b)
}

// end closes what the actor has handed out.
func (a *actor) end() {
	a.live.closeAll()
	for _, t := range a.watched {
		for _, w := range t.watchers {
			close(w.ch)
		}
	}
	if a.counts != (Counts{}) {
		a.log.Info("updates were discarded", "counts", a.counts)
	}
}
