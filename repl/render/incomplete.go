package render

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// isWhole reports whether what is shown of a stream is all that its command printed
// there.
func (r *outputReader) isWhole(ctx context.Context, v *result.View, j *model.Job, stream string) (bool, error) {
	switch {
	case j.State != model.Ended || j.Outcome == wire.Lost:
		return false, nil
	case result.IsWhole(result.Account(j, stream)):
		return true, nil
	case v.Tail == 0:
		return false, nil
	}
	n, err := r.gapsIn(ctx, v, j, stream)
	return n == 0, err
}

// A lack is what output of some hosts is missing, for one reason.
type lack struct {
	stream, why string
	hosts       []string
	bytes       int64 // total; 0 if unknown
	largest     int64 // that a host has produced
}

func (l *lack) String() string {
	text := fmt.Sprintf("%s of %s: %s", l.stream, hostexpr.Fold(l.hosts), l.why)
	if l.bytes == 0 {
		return text
	}
	return term.Bytes(l.bytes) + " of " + text
}

// The reasons of a lack that have a hint of their own.
const (
	lackDropped = "not kept, more than --max-output"
	lackGone    = "gone, the agent no longer has them"
	lackLate    = "not sent yet"
)

// mostLacks is how many lacks an error names.
const mostLacks = 5

// CheckComplete returns an error that says which output is missing, and how to get
// it, where some is. In a plain report, output beyond --max-output is no error: dropped is what
// the error would be, or nil.
func (r *outputReader) CheckComplete(ctx context.Context, v *result.View, task *model.Task, jobs []model.Job) (dropped *cli.Error, err error) {
	lacks, err := r.lacks(ctx, v, task, jobs)
	if err != nil {
		return nil, err
	}
	isDropped := func(l *lack) bool { return l.why == lackDropped && !v.HandsOut() }
	if missing := slices.DeleteFunc(slices.Clone(lacks), isDropped); len(missing) > 0 {
		return nil, lackError(task, missing)
	}
	if len(lacks) > 0 {
		return lackError(task, lacks), nil
	}
	return nil, nil
}

func lackError(task *model.Task, lacks []*lack) *cli.Error {
	var texts []string
	hint := ""
	for i, l := range lacks {
		if i == mostLacks {
			texts = append(texts, term.Plural(len(lacks)-i, "other reason"))
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
			hint = fmt.Sprintf("check_task %s asks the hosts again", result.ShortID(task.ID))
		}
	}
	return &cli.Error{Status: cli.ExitFailed, Text: "output is missing: " + strings.Join(texts, "; "), Hint: hint}
}

// lacks finds what output of the jobs a view cannot show. With --max-output 0 no output was asked for,
// and none is missing.
func (r *outputReader) lacks(ctx context.Context, v *result.View, task *model.Task, jobs []model.Job) ([]*lack, error) {
	var all []*lack
	byKind := make(map[[2]string]*lack)
	for i := range jobs {
		for _, stream := range v.Streams {
			j := &jobs[i]
			a := result.Account(j, stream)
			why := lackOf(v, task, j, stream)
			if why == "" {
				continue
			}
			n := a.Size - a.Kept
			if v.Tail > 0 && n > 0 {
				var err error
				if n, err = r.gapsIn(ctx, v, j, stream); err != nil {
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

// lackOf says why a stream is not all that was asked for; "" where it is.
func lackOf(v *result.View, task *model.Task, j *model.Job, stream string) string {
	a := result.Account(j, stream)
	switch {
	case j.State != model.Ended || j.Outcome == wire.Lost:
		if v.Raw || v.Save != "" { // all other views show the job's state
			return "there may be more, the job is " + result.JobWord(j)
		}
		return ""
	case j.Started.IsZero() && !result.HasOutput(a):
		if (v.Raw || v.Save != "") && !j.OK() && stream == v.Streams[0] {
			return "nothing, the job is " + result.JobWord(j)
		}
		return ""
	case task.MaxOutput == 0:
		return ""
	case a.Missing() > 0 && a.Gone:
		return lackGone
	case a.Missing() > 0:
		return lackLate
	case a.Dropped > 0:
		return lackDropped
	}
	return ""
}

// gapsIn is how many bytes are missing from what is shown of a stream.
func (r *outputReader) gapsIn(ctx context.Context, v *result.View, j *model.Job, stream string) (n int64, err error) {
	e, err := r.excerpt(ctx, v, j, stream)
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
	return n + max(0, result.Account(j, stream).Size-at), nil
}
