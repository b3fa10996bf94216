package results

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"warren/internal/operator/results/archive"
	"warren/internal/operator/results/sqlite"
)

// pollInterval is how often the actor looks for other processes' commits while somebody
// watches a task.
const pollInterval = 200 * time.Millisecond

// An actor is the state of Run. Only Run's goroutine calls its methods.
type actor struct {
	path     string
	log      *slog.Logger
	db       *sqlite.Writer
	archives archive.Dir

	live       liveJobs
	knownHosts map[string]bool // host names that this process has stored
	newAgents  int             // agents that this process has added
	rounds     discoverRounds
	checks     map[string]expectedCheck // by the job's id
	watched    map[string]*watchedTask  // by task id
	transfers  transferWatchers
	version    int64 // data version when the watched tasks were last read
	counts     Counts

	upkeep      upkeep
	writeError  error     // of the last transaction; nil if it succeeded
	failedSince time.Time // the first of the failures in a row
}

// Run is the only writer of this process. It returns nil once ctx has ended and everything
// that was waiting is committed. Run may be called once.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.done)
	a := newActor(s)
	defer a.end()

	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	poll.Stop()
	polling := false
	upkeep := time.NewTimer(firstUpkeep)
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
			upkeep.Reset(a.runUpkeep())
		case <-ctx.Done():
			a.drain(s.inbox)
			a.upkeepOnExit()
			return nil
		}
	}
}

func newActor(s *Store) *actor {
	return &actor{
		path: s.path, log: s.log, db: s.writer, archives: archive.Dir(filepath.Join(s.dir, archive.DirName)), live: liveJobs{}, knownHosts: map[string]bool{}, rounds: discoverRounds{},
		checks: map[string]expectedCheck{}, watched: map[string]*watchedTask{}, transfers: transferWatchers{}, upkeep: upkeep{retention: s.retention},
	}
}

// drain takes what is waiting. Later senders find the store stopped.
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

// take carries out a request, together with the requests that are waiting behind it, in
// their order.
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
	a.transfers.closeAll()
	if a.counts != (Counts{}) {
		a.log.Info("updates were discarded", "counts", a.counts)
	}
}
