package executor

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
	"warren/internal/wire"
)

const (
	// decisionsFile is in the data directory; older records are in its .1 (the
	// newest of them) to .4.
	decisionsFile = "decisions.log"
	decisionsSize = 16 << 20
	decisionsKept = 4

	// Strangers have a share of the record that is too small to push out what
	// operators have done.
	strangerBurst = 30

	// questionsKnown is how many questions are known that were recorded: who sends
	// a captured one again and again writes one line. A run is known by its job.
	questionsKnown = 1024

	// longStatement is as much as is recorded in bytes of what is not executed.
	longStatement = 64 << 10
)

var strangerRate = rate.Every(time.Minute)

// A decision is one line of the record: a request that was judged, or the end
// of a job. The statement is there with its signature, so that anybody can
// verify later who has said what (ssh-keygen -Y verify).
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
	Unrecorded  int    `json:"unrecorded,omitzero"` // strangers' requests since the last that was

	Outcome  wire.Outcome `json:"outcome,omitzero"`
	ExitCode *int         `json:"exit_code,omitzero"`
	Killed   int          `json:"killed,omitzero"` // processes that the agent ended
	Left     int          `json:"left,omitzero"`   // processes that live on

	Statement string `json:"statement,omitzero"`
	Signature string `json:"signature,omitzero"`
	Omitted   int    `json:"omitted,omitzero"` // bytes of a long statement of which nothing is executed
}

// decided is the record of a verdict.
func decided(v *trust.Verdict, now time.Time) *decision {
	st := &v.Request.Statement
	d := &decision{
		Time: now, Event: "permitted", Type: st.Type, Task: st.Task, Job: v.Request.Leaf.Job, Host: v.Request.Leaf.Host,
		Rule: v.Rule, Reason: brief(v.Refusal),
		Fingerprint: v.Issuer.Fingerprint, Principal: v.Issuer.Principal, Certificate: v.Issuer.Certificate, Operator: v.Issuer.Operator,
	}
	if v.Refusal != "" {
		d.Event = "refused"
	}
	if !v.Verified {
		return d // what a stranger says is not worth the room
	}
	if n := len(v.Request.StatementText); n <= longStatement || v.Refusal == "" && st.Type == wire.TypeRun {
		d.Statement = v.Request.StatementText
	} else {
		d.Omitted = n
	}
	d.Signature = v.Request.Signature
	if st.Run != nil {
		d.Command, d.User = commandLine(st.Run), st.Run.User
	}
	return d
}

// recordDecision writes a verdict down; what strangers send, or could have
// captured, as far as their share goes.
func (l *loop) recordDecision(v *trust.Verdict, now time.Time) {
	switch {
	case l.record == nil:
		return
	case v.Verified && !v.MayBeCaptured():
		if d := decided(v, now); l.record.isNew(v) {
			l.record.write(d)
		}
		return
	case !l.record.strangers.AllowN(now, 1):
		l.record.unrecorded++
		return
	}
	d := decided(v, now)
	d.Unrecorded, l.record.unrecorded = l.record.unrecorded, 0
	l.record.write(d)
}

// recordEnd writes down how a job has ended.
func (l *loop) recordEnd(j *job, now time.Time) {
	if l.record == nil {
		return
	}
	l.record.write(&decision{
		Time: now, Event: "ended", Task: j.task, Job: j.id, Host: j.host, Fingerprint: j.issuer,
		Outcome: j.result.Outcome, ExitCode: j.result.ExitCode, Killed: j.result.Killed, Left: j.result.Left, Reason: j.result.Reason,
	})
}

// record is the file of decisions. It belongs to the agent loop.
type record struct {
	path       string
	file       *os.File
	size, max  int64
	torn       bool // its last line has no end
	log        *slog.Logger
	full       bool // a rotation has failed, and has been told of
	strangers  *rate.Limiter
	unrecorded int
	questions  [][sha256.Size]byte // recorded, oldest first
}

// isNew reports whether a verdict says what no line of late does.
func (r *record) isNew(v *trust.Verdict) bool {
	statement := sha256.Sum256([]byte(v.Request.StatementText))
	key := sha256.Sum256(fmt.Appendf(statement[:], "%q %q %q", v.Request.Leaf.Job, v.Rule, v.Refusal))
	if slices.Contains(r.questions, key) {
		return false
	}
	if len(r.questions) == questionsKnown {
		r.questions = slices.Delete(r.questions, 0, 1)
	}
	r.questions = append(r.questions, key)
	return true
}

// openRecord opens the file for appending.
func openRecord(path string, log *slog.Logger) (*record, error) {
	r := &record{path: path, max: decisionsSize, log: log, strangers: rate.NewLimiter(strangerRate, strangerBurst)}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("the record of decisions: %w\nhint: mend the file or its directory, or choose another with --data-dir", err)
	}
	return r, nil
}

func (r *record) open() error {
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

// write appends one line. What cannot be written, as on a full disk, stands in
// the agent's log instead: a host that is in trouble is to be helped, and its log
// may well go elsewhere.
func (r *record) write(d *decision) {
	if err := r.append(encodeLine(d)); err != nil {
		d.Command, d.Statement, d.Signature = brief(d.Command), "", ""
		r.log.Error("cannot record a decision, so it stands here", "file", r.path, "error", err, "decision", string(encodeLine(d)))
	}
}

// encodeLine writes characters that a terminal might obey, or show as what they
// are not, as JSON's escapes.
func encodeLine(d *decision) []byte {
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // plain data
	}
	return escape.JSON(line)
}

// append writes a line, or nothing of it. Where an earlier one was cut off, as by
// the end of the process, it begins anew.
func (r *record) append(line []byte) error {
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

// rotate makes room for a new file. Where it cannot, the old one grows on: a
// line is not lost for want of order.
func (r *record) rotate() {
	err := r.file.Close() // which Windows wants before the file is renamed
	r.file = nil
	for i := decisionsKept - 1; i >= 0; i-- {
		e := os.Rename(r.name(i), r.name(i+1))
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
			break // or it would be written over
		}
	}
	if err != nil && !r.full {
		r.log.Error("cannot rotate the record of decisions; it grows on", "file", r.path, "error", err)
	}
	r.full = err != nil
}

func (r *record) name(i int) string {
	if i == 0 {
		return r.path
	}
	return fmt.Sprintf("%s.%d", r.path, i)
}

func (r *record) close() error {
	if r == nil || r.file == nil {
		return nil
	}
	return r.file.Close()
}
