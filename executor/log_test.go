package executor

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outbox"
	"warren/internal/wire"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// A job that begins at once is logged as begun only; one that waits also as accepted.
func TestLogNamesWaitingJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, func(c *Config) { c.Log = textLog(&log) })
		_, first := ids()
		_, second := ids()
		task, _ := ids()
		for _, job := range []string{first, second} { // of which the one worker takes one
			r.send(wire.TypeRun, task, job)
			task, _ = ids()
		}
		<-r.started
		r.finish <- exited(0)
		<-r.started
		r.finish <- exited(0)
		next[*wire.Ended](r)
		next[*wire.Ended](r)
		r.close()
		for job, want := range map[string][]string{first: {"began", "ended"}, second: {"accepted", "began", "ended"}} {
			var said []string
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, "job="+job) {
					_, rest, _ := strings.Cut(line, "msg=")
					word, _, _ := strings.Cut(rest, " ")
					said = append(said, word)
				}
			}
			if strings.Join(said, " ") != strings.Join(want, " ") {
				t.Errorf("logged of job %s: %q, want %q", job, said, want)
			}
		}
	})
}

// The first line about a job has its issuer, even if the job never begins.
func TestLogNamesIssuerOfJob(t *testing.T) {
	for _, logged := range []bool{false, true} {
		var log bytes.Buffer
		l := &loop{log: textLog(&log), replies: &replies{Outbox: outbox.New(nil)}, cfg: Config{Now: time.Now}, logged: map[*jobtable.Job]bool{}, ending: map[*jobtable.Job]bool{}}
		j := &jobtable.Job{Issuer: "SHA256:key", Result: wire.Ended{Outcome: wire.Rejected, Reason: "queue full"}}
		l.logged[j] = logged
		l.ended(j)
		if said := strings.Contains(log.String(), "issuer=SHA256:key"); said == logged {
			t.Errorf("logged before: %v; now %s", logged, &log)
		}
	}
}
