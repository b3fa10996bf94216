package executor

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"

	"warren/internal/trust"
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

	Statement string `json:"statement,omitzero"`
	Signature string `json:"signature,omitzero"`
}

// decided is the record of a verdict.
func decided(v *trust.Verdict, now time.Time) *decision {
	st := &v.Request.Statement
	d := &decision{
		Time: now, Event: "permitted", Type: st.Type, Task: st.Task, Job: v.Request.Leaf.Job, Host: v.Request.Leaf.Host,
		Rule: v.Rule, Reason: v.Refusal,
		Fingerprint: v.Issuer.Fingerprint, Principal: v.Issuer.Principal, Certificate: v.Issuer.Certificate, Operator: v.Issuer.Operator,
	}
	if v.Refusal != "" {
		d.Event = "refused"
	}
	if !v.Verified {
		return d // what a stranger says is not worth the room
	}
	d.Statement, d.Signature = v.Request.StatementText, v.Request.Signature
	if st.Run != nil {
		d.Command, d.User = commandLine(st.Run), st.Run.User
	}
	return d
}

// recordDecision writes a verdict down; strangers' as far as their share goes.
func (l *loop) recordDecision(v *trust.Verdict, now time.Time) {
	if l.record == nil {
		return
	}
	d := decided(v, now)
	if !v.Verified {
		if !l.record.strangers.AllowN(now, 1) {
			l.record.unrecorded++
			return
		}
		d.Unrecorded, l.record.unrecorded = l.record.unrecorded, 0
	}
	l.record.write(d)
}

// recordEnd writes down how a job has ended.
func (l *loop) recordEnd(j *job, now time.Time) {
	if l.record == nil {
		return
	}
	l.record.write(&decision{
		Time: now, Event: "ended", Task: j.task, Job: j.id, Host: j.host, Fingerprint: j.issuer,
		Outcome: j.result.Outcome, ExitCode: j.result.ExitCode, Reason: j.result.Reason,
	})
}

// record is the file of decisions. It belongs to the agent loop.
type record struct {
	path       string
	file       *os.File
	size, max  int64
	log        *slog.Logger
	failed     bool
	strangers  *rate.Limiter
	unrecorded int
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
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.size = f, info.Size()
	return nil
}

// write appends one line. What cannot be written, as on a full disk, is said in
// the log, once until it can again.
func (r *record) write(d *decision) {
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // plain data
	}
	err = r.append(append(line, '\n'))
	if err != nil && !r.failed {
		r.log.Error("cannot record a decision", "file", r.path, "error", err)
	}
	r.failed = err != nil
}

func (r *record) append(line []byte) error {
	if r.file != nil && r.size > 0 && r.size+int64(len(line)) > r.max {
		if err := r.rotate(); err != nil {
			return err
		}
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	n, err := r.file.Write(line)
	r.size += int64(n)
	return err
}

func (r *record) rotate() error {
	err := r.file.Close() // which Windows wants before the file is renamed
	r.file = nil
	for i := decisionsKept - 1; i >= 0; i-- {
		e := os.Rename(r.name(i), r.name(i+1))
		if !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
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
