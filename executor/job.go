package executor

import (
	"context"
	"time"

	"warren/internal/process"
	"warren/internal/wire"
)

// A phase of a job's life on the host; it never goes back.
type phase int

const (
	waiting phase = iota // for a free worker
	running
	ended
)

// A job is what the agent knows of one job, as long as it remembers it.
type job struct {
	id, task, host string
	issuedAt       time.Time
	notAfter       time.Time
	run            *wire.Run
	secret         *wire.Secret
	digest         [32]byte // of its request

	phase      phase
	acceptedAt time.Time
	startedAt  time.Time
	quietUntil time.Time               // a job that ends before costs one reply
	stop       context.CancelCauseFunc // while it runs
	cancelling bool

	kept   []process.Chunk // output in the order it came, both streams
	result wire.Ended      // when it has ended, without the output
	gone   bool            // kept was evicted

	mails []*mailing // who is being told
}

// keptBytes is the size of the output that is held.
func (j *job) keptBytes() int64 {
	var n int64
	for _, c := range j.kept {
		n += int64(len(c.Data))
	}
	return n
}

// inline reports whether the whole output fits into the ended reply.
func (j *job) inline() bool {
	for _, s := range []*wire.Stream{j.result.Stdout, j.result.Stderr} {
		if s != nil && (s.Dropped > 0 || s.Gone) {
			return false
		}
	}
	return j.keptBytes() <= wire.MaxInline
}

// endedReply is the reply ended; withOutput puts the output into it.
func (j *job) endedReply(withOutput bool) *wire.Ended {
	e := j.result
	if withOutput {
		e.Stdout = j.filled(e.Stdout, wire.Stdout)
		e.Stderr = j.filled(e.Stderr, wire.Stderr)
	}
	return &e
}

func (j *job) filled(s *wire.Stream, name string) *wire.Stream {
	if s == nil {
		return nil
	}
	full := *s
	for _, c := range j.kept {
		if c.Stream == name {
			full.Data = append(full.Data, c.Data...)
		}
	}
	return &full
}

// state is the answer to a status while the job has not ended.
func (j *job) state(now time.Time) *wire.State {
	s := &wire.State{
		Job: j.id, State: wire.StateAccepted, Cancelling: j.cancelling,
		AcceptedAt: j.acceptedAt.UnixMilli(), At: now.UnixMilli(),
	}
	if j.phase == running {
		s.State, s.StartedAt = wire.StateRunning, j.startedAt.UnixMilli()
	}
	return s
}
