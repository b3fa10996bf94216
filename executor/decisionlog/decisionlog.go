// Package decisionlog is the agent's log of what it has permitted and refused, and of
// how jobs ended. Each line has the statement with its signature, so that anybody can
// verify later who asked for what (ssh-keygen -Y verify).
package decisionlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"

	"warren/internal/agent/trust"
	"warren/internal/escape"
	"warren/internal/hint"
	"warren/internal/wire"
)

const (
	// FileName is the log in the data directory. Older lines are in its .1 (the newest
	// of them) to .4.
	FileName    = "decisions.log"
	maxFileSize = 16 << 20
	keptFiles   = 4

	// unauthenticatedBurst and unauthenticatedRate bound what unauthenticated requests can write, so that they cannot
	// push out what operators have done.
	unauthenticatedBurst = 30

	// rememberedQuestions is how many recorded questions are remembered: a captured one
	// that is sent again and again writes one line. A run is known by its job.
	rememberedQuestions = 1024

	// maxStatement bounds the bytes recorded of a statement that is not executed.
	maxStatement = 64 << 10
)

var unauthenticatedRate = rate.Every(time.Minute)

// A decision is one line of the log: a verdict on a request, or the end of a job.
type decision struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // permitted, refused or ended

	Type    string `json:"type,omitzero"`
	Task    string `json:"task,omitzero"`
	Job     string `json:"job,omitzero"`
	Host    string `json:"host,omitzero"`
	Command string `json:"command,omitzero"`
	User    string `json:"user,omitzero"`

	Rule        string `json:"rule,omitzero"`
	Reason      string `json:"reason,omitzero"`
	Fingerprint string `json:"fingerprint,omitzero"` // of the key, or of the authority
	Principal   string `json:"principal,omitzero"`
	Certificate string `json:"certificate,omitzero"` // fingerprint of the key in it
	Operator    string `json:"operator,omitzero"`
	Unrecorded  int    `json:"unrecorded,omitzero"` // unauthenticated requests since the last recorded one

	Outcome  wire.Outcome `json:"outcome,omitzero"`
	ExitCode *int         `json:"exit_code,omitzero"`
	Killed   int          `json:"killed,omitzero"` // processes that the agent ended
	Left     int          `json:"left,omitzero"`   // processes that live on

	Statement string `json:"statement,omitzero"`
	Signature string `json:"signature,omitzero"`
	Omitted   int    `json:"omitted,omitzero"` // bytes of a long statement that was not executed
}

// newDecision is the line about a verdict.
func newDecision(v *trust.Decision, now time.Time) *decision {
	st := &v.Request.Statement
	d := &decision{
		Time: now, Event: "permitted", Type: st.Type, Task: st.Task, Job: v.Request.Leaf.Job, Host: v.Request.Leaf.Host,
		Rule: v.Rule, Reason: Brief(v.Refusal),
		Fingerprint: v.Issuer.Fingerprint, Principal: v.Issuer.Principal, Certificate: v.Issuer.Certificate, Operator: v.Issuer.Operator,
	}
	if v.Refusal != "" {
		d.Event = "refused"
	}
	if !v.Verified {
		return d // an unauthenticated statement is not worth the space
	}
	if n := len(v.Request.StatementText); n <= maxStatement || v.Refusal == "" && st.Type == wire.TypeRun {
		d.Statement = v.Request.StatementText
	} else {
		d.Omitted = n
	}
	d.Signature = v.Request.Signature
	if st.Run != nil {
		d.Command, d.User = CommandLine(st.Run), st.Run.User
	}
	return d
}

// Verdict records the decision about a request. A nil Log records nothing. Unauthenticated requests, and those that
// anybody could have captured, are recorded at a bounded rate.
func (r *Log) Verdict(v *trust.Decision, now time.Time) {
	switch {
	case r == nil:
		return
	case v.Verified && !v.MayBeCaptured():
		if d := newDecision(v, now); r.firstSeen(v) {
			r.write(d)
		}
		return
	case !r.unauthenticated.AllowN(now, 1):
		r.unrecorded++
		return
	}
	d := newDecision(v, now)
	d.Unrecorded, r.unrecorded = r.unrecorded, 0
	r.write(d)
}

// Job is the job whose end is recorded.
type Job struct{ Task, ID, Host, Issuer string }

// Ended records the end of a job.
func (r *Log) Ended(j Job, e *wire.Ended, now time.Time) {
	if r == nil {
		return
	}
	r.write(&decision{
		Time: now, Event: "ended", Task: j.Task, Job: j.ID, Host: j.Host, Fingerprint: j.Issuer,
		Outcome: e.Outcome, ExitCode: e.ExitCode, Killed: e.Killed, Left: e.Left, Reason: e.Reason,
	})
}

// A Log writes decisions to a file. One goroutine owns it.
type Log struct {
	path            string
	file            *os.File
	size, max       int64
	torn            bool // its last line has no newline
	log             *slog.Logger
	rotateFailed    bool // and the agent's log says so
	unauthenticated *rate.Limiter
	unrecorded      int
	questions       [][sha256.Size]byte // recorded, oldest first
}

// firstSeen reports whether no recent line says the same.
func (r *Log) firstSeen(v *trust.Decision) bool {
	statement := sha256.Sum256([]byte(v.Request.StatementText))
	key := sha256.Sum256(fmt.Appendf(statement[:], "%q %q %q", v.Request.Leaf.Job, v.Rule, v.Refusal))
	if slices.Contains(r.questions, key) {
		return false
	}
	if len(r.questions) == rememberedQuestions {
		r.questions = slices.Delete(r.questions, 0, 1)
	}
	r.questions = append(r.questions, key)
	return true
}

// Open opens the log for appending. It reports its own troubles to log.
func Open(path string, log *slog.Logger) (*Log, error) {
	r := &Log{path: path, max: maxFileSize, log: log, unauthenticated: rate.NewLimiter(unauthenticatedRate, unauthenticatedBurst)}
	if err := r.open(); err != nil {
		return nil, hint.Errorf("repair the file or its directory, or choose another directory with --data-dir", "open the decision log: %w", err)
	}
	return r, nil
}

func (r *Log) open() error {
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.size, r.torn = f, info.Size(), false
	if r.size > 0 {
		last := make([]byte, 1)
		_, err = f.ReadAt(last, r.size-1)
		r.torn = err != nil || last[0] != '\n'
	}
	return nil
}

// write appends one line. A line that cannot be written, as on a full disk, goes to
// the agent's log instead. The request is still served: an operator may be repairing
// this host, and the agent's log may go elsewhere.
func (r *Log) write(d *decision) {
	if err := r.append(encodeLine(d)); err != nil {
		d.Command, d.Statement, d.Signature = Brief(d.Command), "", ""
		r.log.Error("cannot write to the decision log; the decision is in this line", "file", r.path, "error", err, "decision", string(encodeLine(d)))
	}
}

// encodeLine escapes characters that a terminal might obey or show as others.
func encodeLine(d *decision) []byte {
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // plain data
	}
	return escape.JSON(line)
}

// append writes a line, or nothing of it. It starts a new line if the last one was cut
// off, as when the process was killed.
func (r *Log) append(line []byte) error {
	if r.file != nil && r.size > 0 && r.size+int64(len(line)) > r.max {
		r.rotate()
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	if r.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := r.file.Write(append(line, '\n'))
	switch {
	case err == nil:
		r.torn = false
	case n > 0 && r.file.Truncate(r.size) == nil:
		n = 0
	case n > 0:
		r.torn = true
	}
	r.size += int64(n)
	return err
}

// rotate makes room for a new file. If it cannot, the old file grows on, and no line
// is lost.
func (r *Log) rotate() {
	err := r.file.Close() // Windows renames no open file
	r.file = nil
	for i := keptFiles - 1; i >= 0; i-- {
		e := os.Rename(r.name(i), r.name(i+1))
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
			break // or it would be overwritten
		}
	}
	if err != nil && !r.rotateFailed {
		r.log.Error("cannot rotate the decision log; it grows on", "file", r.path, "error", err)
	}
	r.rotateFailed = err != nil
}

func (r *Log) name(i int) string {
	if i == 0 {
		return r.path
	}
	return fmt.Sprintf("%s.%d", r.path, i)
}

func (r *Log) Close() error {
	if r == nil || r.file == nil {
		return nil
	}
	return r.file.Close()
}
