package results

import (
	"context"
	"time"

	"warren/internal/operator/model"
)

// A transferWatcher follows the content of a task's push.
type transferWatcher struct {
	row      int64
	interval time.Duration
	ch       chan model.Transfer // capacity 1; the actor sends and closes
	wanted   int64               // in the last one
	sent     time.Time
}

// transferWatchers are those of this process. Only the actor uses them.
type transferWatchers map[*transferWatcher]bool

// WatchTransfer returns how far the content of a push has come on the hosts of a task that this
// process drives: now if a host wants content, at once when a host wants more, and otherwise
// once in an interval at most, when a host reports something. The channel is of capacity 1, and the latest replaces one that was
// not read. It is closed by the returned function, which must be called, or when Run ends.
func WatchTransfer(ctx context.Context, s *Store, task string, interval time.Duration) (<-chan model.Transfer, func(), error) {
	w, err := ask(ctx, s, func(a *actor) (*transferWatcher, error) {
		row, _, err := a.db.TaskRow(task)
		if err != nil {
			return nil, err
		}
		w := &transferWatcher{row: row, interval: interval, ch: make(chan model.Transfer, 1)}
		a.transfers[w] = true
		if t := a.live.transfer(row); t.Wanted > 0 {
			w.report(t, time.Now())
		}
		return w, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return w.ch, func() { s.post(func(a *actor) { a.transfers.remove(w) }) }, nil
}

func (ws transferWatchers) remove(w *transferWatcher) {
	if ws[w] {
		delete(ws, w)
		close(w.ch)
	}
}

func (ws transferWatchers) closeAll() {
	for w := range ws {
		close(w.ch)
	}
}

// report reports the transfers that a transaction has changed.
func (ws transferWatchers) report(m *merging, now time.Time) {
	if len(ws) == 0 {
		return
	}
	wanted := map[int64]int64{} // the most, by task row
	for _, j := range m.order {
		if j.transfer != nil {
			wanted[j.record.Task] = max(wanted[j.record.Task], j.transfer.Wanted)
		}
	}
	for w := range ws {
		if n, ok := wanted[w.row]; ok && (n > w.wanted || now.Sub(w.sent) >= w.interval) {
			w.report(m.live.transfer(w.row), now)
		}
	}
}

func (w *transferWatcher) report(t model.Transfer, now time.Time) {
	w.wanted, w.sent = max(t.Wanted, w.wanted), now
	replace(w.ch, t)
}

// transfer returns how far the content has come on the hosts of a task whose jobs have not
// ended.
func (l liveJobs) transfer(task int64) (t model.Transfer) {
	for id, j := range l {
		if j.transfer == nil || j.record.Task != task {
			continue
		}
		t.Wanted = max(t.Wanted, j.transfer.Wanted)
		t.Hosts = append(t.Hosts, model.HostTransfer{Host: j.record.Host, Job: id.String(), Received: j.transfer.Received, Wanted: j.transfer.Wanted})
	}
	return t
}
