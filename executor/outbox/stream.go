package outbox

import (
	"cmp"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/wire"
)

// A streamState says what a stream may send.
type streamState int

const (
	following streamState = iota // everything, as it comes
	quiet                        // nothing but the end, until a time
	paused                       // nothing until a time: the broker has nacked a message
	ending                       // nothing more: the end is in flight
	dropped                      // nothing more
)

// A stream sends one reply queue what becomes of one job.
type stream struct {
	job *jobtable.Job
	to  string

	state  streamState
	until  time.Time // when quiet or paused ends
	queued bool      // it is in Outbox.ready

	announced   int     // progress messages sent: 1 is accepted, 2 is started
	content     Content // as sent
	have        int64   // bytes of standard output, from the beginning, that its reader has
	had         int     // chunks of the job's output, from the beginning, that its reader may have
	nextChunk   int     // the first chunk of the job's output that is not sent
	unconfirmed int     // chunks in flight
	nacks       int     // pauses without a delivered message between them

	// outputRefused is why the broker refuses the output, in its words. The outcome is
	// sent without output then.
	outputRefused string
}

// delayed reports whether the state ends at a time.
func (s *stream) delayed() bool { return s.state == quiet || s.state == paused }

// next returns the next message; nil if there is none, or if it has to wait: for the end of
// a delay, or until the journal has what the message says.
func (s *stream) next(has func(outputlog.Ref) bool, content Content, now time.Time) *Message {
	j := s.job
	ended := j.Phase == jobtable.Ended
	if s.state == quiet && (ended || content.Wanted > 0 || !now.Before(s.until)) {
		s.state = following
	}
	if s.state != following || !j.Durable() {
		return nil
	}
	if ended && s.nextChunk == 0 && s.outputRefused == "" && fitsInline(j, has) {
		s.state = ending
		return &Message{kind: end, Reply: endedReply(j, has), Inline: j.Output}
	}
	if n := int(j.Phase) + 1; !ended && s.announced < n {
		s.announced = n
		return &Message{kind: progress, Reply: progressReply(j)}
	}
	if !ended && s.content != content {
		s.content = content
		r := &wire.Transfer{Job: j.ID, Agent: j.Agent, Wanted: content.Wanted, Received: content.Received, At: now.UnixMilli()}
		return &Message{kind: transfer, Reply: r}
	}
	if m := s.nextOutput(has); m != nil {
		return m
	}
	if ended && s.unconfirmed == 0 {
		s.state = ending
		return &Message{kind: end, Reply: s.endedWithoutOutput(has)}
	}
	return nil
}

// nextOutput returns the next chunk of output that is still kept.
func (s *stream) nextOutput(has func(outputlog.Ref) bool) *Message {
	for s.nextChunk < len(s.job.Output) && s.outputRefused == "" {
		i := s.nextChunk
		s.nextChunk++
		r := s.job.Output[i]
		received := i < s.had && r.Stream == wire.Stdout && r.Offset+int64(r.Size) <= s.have
		if has(r) && !received {
			s.unconfirmed++
			return &Message{kind: output, Output: s.job.Output[i], chunk: i}
		}
	}
	return nil
}

// sendAgain takes back a message that was not delivered. Progress is not repeated: later
// messages say more. Without a transfer, the operator would not send the content.
func (s *stream) sendAgain(m *Message) {
	switch m.kind {
	case end:
		s.state = following
	case transfer:
		s.content = Content{}
	case output:
		s.nextChunk = min(s.nextChunk, m.chunk)
	}
}

// refused takes the broker's refusal of a message. Output is left out from then on; if the
// outcome is refused without output, the stream ends, and the job keeps its result.
func (s *stream) refused(m *Message, reason string) {
	inline := m.kind == end && s.outputRefused == "" && s.nextChunk == 0
	switch {
	case m.kind == output:
		s.outputRefused = cmp.Or(reason, "no reason given")
	case inline:
		s.outputRefused, s.state = cmp.Or(reason, "no reason given"), following
	case m.kind == end:
		s.state = dropped
	}
}

// endedWithoutOutput returns the reply when the output was sent before, or is refused.
func (s *stream) endedWithoutOutput(has func(outputlog.Ref) bool) *wire.Ended {
	e := endedReply(s.job, has)
	if s.outputRefused == "" {
		return e
	}
	for _, stream := range []*wire.Stream{e.Stdout, e.Stderr} {
		if stream != nil && stream.Size > 0 {
			stream.Gone = true
		}
	}
	if e.Reason != "" {
		e.Reason += "; "
	}
	e.Reason += "the broker refused the output: " + s.outputRefused
	return e
}

// progressReply says that a job was accepted, or has started.
func progressReply(j *jobtable.Job) any {
	if j.Phase == jobtable.Running {
		return &wire.Started{Job: j.ID, Agent: j.Agent, At: j.StartedAt.UnixMilli(), CodePage: j.CodePage}
	}
	return &wire.Accepted{Job: j.ID, Agent: j.Agent, At: j.AcceptedAt.UnixMilli()}
}

// endedReply returns the outcome of a job, without its output.
func endedReply(j *jobtable.Job, has func(outputlog.Ref) bool) *wire.Ended {
	e := j.Result
	e.Agent = j.Agent
	for name, s := range map[string]**wire.Stream{wire.Stdout: &e.Stdout, wire.Stderr: &e.Stderr} {
		if *s != nil {
			account := **s
			account.Gone = account.Gone || !hasAll(j, name, has)
			*s = &account
		}
	}
	return &e
}

// fitsInline reports whether the whole output fits into the ended reply.
func fitsInline(j *jobtable.Job, has func(outputlog.Ref) bool) bool {
	for _, s := range []*wire.Stream{j.Result.Stdout, j.Result.Stderr} {
		if s != nil && (s.Dropped > 0 || s.Gone) {
			return false
		}
	}
	return j.OutputSize() <= wire.MaxInline && hasAll(j, "", has)
}

// hasAll reports whether all output of a stream, or of both, is still kept.
func hasAll(j *jobtable.Job, stream string, has func(outputlog.Ref) bool) bool {
	for _, r := range j.Output {
		if (stream == "" || stream == r.Stream) && !has(r) {
			return false
		}
	}
	return true
}
