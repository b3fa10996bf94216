package repl

import (
	"context"
	"fmt"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// isWhole reports whether what is shown of a stream is all that its command printed
// there.
func (s *session) isWhole(ctx context.Context, v *view, j *model.Job, stream string) (bool, error) {
	switch {
	case j.State != model.Ended || j.Outcome == wire.Lost:
		return false, nil
	case isWhole(account(j, stream)):
		return true, nil
	case v.tail == 0:
		return false, nil
	}
	n, err := s.gapsIn(ctx, v, j, stream)
	return n == 0, err
}

// handsOut reports whether a view gives the output away as data, or a part of it
// that was asked for. A report for people names each gap in its place instead.
func (v *view) handsOut() bool {
	return v.raw || v.save != "" || v.json || v.jsonl || v.stream || v.diff || v.tail > 0
}

// A lack is what output of some hosts is missing, for one reason.
type lack struct {
	stream, why string
	hosts       []string
	bytes       int64 // in all; 0 where nobody knows
	largest     int64 // that a host has produced
}

func (l *lack) String() string {
	text := fmt.Sprintf("%s of %s: %s", l.stream, hostexpr.Fold(l.hosts), l.why)
	if l.bytes == 0 {
		return text
	}
	return humanBytes(l.bytes) + " of " + text
}

// The reasons of a lack that have a hint of their own.
const (
	lackDropped = "not kept, more than --max-output"
	lackGone    = "gone, the agent no longer has them"
	lackLate    = "not sent yet"
)

// lacks finds what output of the jobs a view cannot show. Bytes that a host
// dropped by --max-output count only where the output is handed out. With --max-output 0
// no output was asked for, and none is missing.
func (s *session) lacks(ctx context.Context, v *view, task *model.Task, jobs []model.Job) ([]*lack, error) {
	var all []*lack
	byKind := make(map[[2]string]*lack)
	for i := range jobs {
		for _, stream := range v.streams {
			j := &jobs[i]
			a := account(j, stream)
			why := v.lack(task, j, stream)
			if why == "" {
				continue
			}
			n := a.Size - a.Kept
			if v.tail > 0 && n > 0 {
				var err error
				if n, err = s.gapsIn(ctx, v, j, stream); err != nil {
					return nil, err
				}
				if n == 0 {
					continue
				}
			}
			l := byKind[[2]string{stream, why}]
			if l == nil {
				l = &lack{stream: stream, why: why}
				byKind[[2]string{stream, why}] = l
				all = append(all, l)
			}
			l.hosts = append(l.hosts, j.Host)
			l.bytes += n
			l.largest = max(l.largest, a.Size)
		}
	}
	return all, nil
}

// lack says why a stream is not all that was asked for; "" where it is.
func (v *view) lack(task *model.Task, j *model.Job, stream string) string {
	a := account(j, stream)
	switch {
	case j.State != model.Ended || j.Outcome == wire.Lost:
		if v.raw || v.save != "" { // all other views say how the job stands
			return "there may be more, the job is " + jobWord(j)
		}
		return ""
	case j.Started.IsZero() && !hasOutput(a):
		if (v.raw || v.save != "") && !j.OK() && stream == v.streams[0] {
			return "nothing, the job is " + jobWord(j)
		}
		return ""
	case task.MaxOutput == 0:
		return ""
	case a.Missing() > 0 && a.Gone:
		return lackGone
	case a.Missing() > 0:
		return lackLate
	case a.Dropped > 0 && v.handsOut():
		return lackDropped
	}
	return ""
}

// gapsIn is how many bytes are missing from what is shown of a stream.
func (s *session) gapsIn(ctx context.Context, v *view, j *model.Job, stream string) (n int64, err error) {
	e, err := s.excerpt(ctx, v, j, stream)
	if err != nil {
		return 0, err
	}
	at := e.from
	for piece, err := range e.segments {
		if err != nil {
			return 0, err
		}
		n += max(0, piece.Offset-at)
		at = piece.Offset + int64(len(piece.Data))
	}
	return n + max(0, account(j, stream).Size-at), nil
}

// mostLacks is how many lacks an error names.
const mostLacks = 5

// checkComplete returns an error that says which output is missing, where some is.
func (s *session) checkComplete(ctx context.Context, v *view, task *model.Task, jobs []model.Job) error {
	lacks, err := s.lacks(ctx, v, task, jobs)
	if err != nil || len(lacks) == 0 {
		return err
	}
	var texts []string
	hint := ""
	for i, l := range lacks {
		if i == mostLacks {
			texts = append(texts, plural(len(lacks)-i, "other reason"))
			break
		}
		texts = append(texts, l.String())
		switch {
		case hint != "":
		case l.why == lackDropped && l.largest <= wire.MaxMaxOutput:
			hint = fmt.Sprintf("run it again with --max-output %dMiB, or write the output to a file on the host; an agent's own --max-output may be less", (l.largest+1<<20-1)>>20)
		case l.why == lackDropped:
			hint = "write the output to a file on the host"
		case l.why == lackLate:
			hint = fmt.Sprintf("check_task %s asks the hosts again", shortID(task.ID))
		}
	}
	return &fault{status: exitFailed, text: "output is missing: " + strings.Join(texts, "; "), hint: hint}
}
