package executor

import (
	"slices"
	"time"
)

// waitQueue has the jobs that wait for a worker.
type waitQueue struct {
	queue []*job // first come, first served
	held  []*job // not to begin before the inbox has been read to its end
}

func (q *waitQueue) add(j *job, held bool) {
	if held {
		q.held = append(q.held, j)
	} else {
		q.queue = append(q.queue, j)
	}
}

func (q *waitQueue) allWaiting() []*job { return slices.Concat(q.queue, q.held) }

// queued is how many jobs wait for a worker alone.
func (q *waitQueue) queued() int { return len(q.queue) }

func (q *waitQueue) waiting() int { return len(q.queue) + len(q.held) }

// waitingOf counts the jobs of one issuer.
func (q *waitQueue) waitingOf(issuer string) (n int) {
	for _, jobs := range [][]*job{q.queue, q.held} {
		for _, j := range jobs {
			if j.issuer == issuer {
				n++
			}
		}
	}
	return n
}

func (q *waitQueue) unqueue(j *job) {
	same := func(w *job) bool { return w == j }
	q.queue = slices.DeleteFunc(q.queue, same)
	q.held = slices.DeleteFunc(q.held, same)
}

// unhold lets the held jobs begin: the inbox has been read to its end.
func (q *waitQueue) unhold() {
	q.queue = append(q.queue, q.held...)
	q.held = nil
}

// nextExpiry is when the first waiting job's time is up; zero where none waits.
func (q *waitQueue) nextExpiry(tolerance time.Duration) (first time.Time) {
	for _, jobs := range [][]*job{q.queue, q.held} {
		for _, j := range jobs {
			if t := j.beginBy(tolerance); first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

func sortByAcceptance(jobs []*job) {
	slices.SortFunc(jobs, func(a, b *job) int { return a.acceptedAt.Compare(b.acceptedAt) })
}
