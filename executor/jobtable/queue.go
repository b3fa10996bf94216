package jobtable

import (
	"slices"
	"time"
)

// waitQueue has the jobs that wait for a worker.
type waitQueue struct {
	queue []*Job // first come, first served
	held  []*Job // not to begin before the inbox has been read to its end
}

func (q *waitQueue) add(j *Job, held bool) {
	if held {
		q.held = append(q.held, j)
	} else {
		q.queue = append(q.queue, j)
	}
}

func (q *waitQueue) allWaiting() []*Job { return slices.Concat(q.queue, q.held) }

// Queued is how many jobs wait for a worker alone.
func (q *waitQueue) Queued() int { return len(q.queue) }

func (q *waitQueue) numWaiting() int { return len(q.queue) + len(q.held) }

// numWaitingOf counts the jobs of one issuer.
func (q *waitQueue) numWaitingOf(issuer string) (n int) {
	for _, jobs := range [][]*Job{q.queue, q.held} {
		for _, j := range jobs {
			if j.Issuer == issuer {
				n++
			}
		}
	}
	return n
}

func (q *waitQueue) remove(j *Job) {
	same := func(w *Job) bool { return w == j }
	q.queue = slices.DeleteFunc(q.queue, same)
	q.held = slices.DeleteFunc(q.held, same)
}

// ReleaseHeld lets the held jobs begin: the inbox has been read to its end.
func (q *waitQueue) ReleaseHeld() {
	q.queue = append(q.queue, q.held...)
	q.held = nil
}

// NextExpiry is when the first waiting job's time is up; zero where none waits.
func (q *waitQueue) NextExpiry(tolerance time.Duration) (first time.Time) {
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
