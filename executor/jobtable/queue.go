package jobtable

import (
	"slices"
	"time"
)

// A workQueue has the jobs that wait for a worker, and counts those that have one.
type workQueue struct {
	queue   []*Job // first come, first served
	held    []*Job // do not begin before the inbox was read to its end
	running int
}

// Running returns how many jobs have begun and not ended.
func (q *workQueue) Running() int { return q.running }

func (q *workQueue) add(j *Job, held bool) {
	if held {
		q.held = append(q.held, j)
	} else {
		q.queue = append(q.queue, j)
	}
}

func (q *workQueue) allWaiting() []*Job { return slices.Concat(q.queue, q.held) }

// Queued returns how many jobs wait for nothing but a worker.
func (q *workQueue) Queued() int { return len(q.queue) }

// HeldBack returns how many jobs wait until the inbox was read to its end.
func (q *workQueue) HeldBack() int { return len(q.held) }

func (q *workQueue) numWaiting() int { return len(q.queue) + len(q.held) }

// numWaitingOf counts the waiting jobs of one issuer.
func (q *workQueue) numWaitingOf(issuer string) (n int) {
	for _, jobs := range [][]*Job{q.queue, q.held} {
		for _, j := range jobs {
			if j.Issuer == issuer {
				n++
			}
		}
	}
	return n
}

func (q *workQueue) remove(j *Job) {
	same := func(w *Job) bool { return w == j }
	q.queue = slices.DeleteFunc(q.queue, same)
	q.held = slices.DeleteFunc(q.held, same)
}

// ReleaseHeld lets the held jobs begin: the inbox was read to its end.
func (q *workQueue) ReleaseHeld() {
	q.queue = append(q.queue, q.held...)
	q.held = nil
}

// NextExpiry returns when the first waiting job expires; zero if none waits.
func (q *workQueue) NextExpiry(tolerance time.Duration) (first time.Time) {
	for _, jobs := range [][]*Job{q.queue, q.held} {
		for _, j := range jobs {
			if t := j.startBy(tolerance); first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

func sortByAcceptance(jobs []*Job) {
	slices.SortFunc(jobs, func(a, b *Job) int { return a.AcceptedAt.Compare(b.AcceptedAt) })
}
