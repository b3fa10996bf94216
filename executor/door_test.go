package executor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"warren/executor/outputlog"
	"warren/internal/agent/trust"
	"warren/internal/broker"
	"warren/internal/wire"
)

// newOperator makes a key, and a Files in which it may do what options say.
func newOperator(t *testing.T, options string) (ssh.Signer, string, *trust.Files) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "authorized_operators")
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	line := strings.TrimLeft(options+" ", " ") + string(ssh.MarshalAuthorizedKey(s.PublicKey()))
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := trust.Open(path, "", true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, path, files
}

func signed(t *testing.T, s ssh.Signer) func([]byte) (string, error) {
	return func(text []byte) (string, error) {
		sig, err := sshsig.Sign(strings.NewReader(string(text)), s, sshsig.HashSHA512, wire.Namespace(""))
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sig.Marshal()), nil
	}
}

// signedRun is a run of alice's at the rig's time.
func (r *rig) signedRun(s ssh.Signer, edit func(*wire.Statement)) (job string, body []byte) {
	r.t.Helper()
	task, job := ids()
	now := time.Now()
	st := wire.Statement{
		Type: wire.TypeRun, Task: task, IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
		ReplyTo: wire.ReplyQueue("op", "abc"), Run: &wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
	}
	if edit != nil {
		edit(&st)
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: job, Host: "web01"}}, signed(r.t, s))
	if err != nil {
		r.t.Fatal(err)
	}
	return job, b.Body(0)
}

// SIGHUP has the file read again, though nothing about it seems to have changed;
// and who is taken out of it may do nothing from the next request on.
func TestTakenOut(t *testing.T) {
	alice, path, files := newOperator(t, "")
	synctest.Test(t, func(t *testing.T) {
		reload := make(chan os.Signal)
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust, c.Reload = false, files, reload })
		defer r.close()
		job, body := r.signedRun(alice, nil)
		r.deliver(wire.TypeRun, job, body)
		<-r.started
		r.finish <- exited(0)
		if e := next[*wire.Ended](r); e.Outcome != wire.Exited {
			t.Errorf("%+v", e)
		}
		_, other, _ := newOperator(t, "")
		text, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		reload <- os.Interrupt // any signal: the channel is SIGHUP's
		job, body = r.signedRun(alice, nil)
		r.deliver(wire.TypeRun, job, body)
		if e := next[*wire.Ended](r); e.Outcome != wire.Rejected || e.Reason != trust.NotPermitted {
			t.Errorf("%+v", e)
		}
		if len(r.started) > 0 {
			t.Error("it ran")
		}
	})
}

// A statement may be valid for a day, and where there is an inbox as long as an
// inbox keeps.
func TestMaxValidity(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func(*Config)
		valid time.Duration
	}{
		{"default", func(*Config) {}, 24 * time.Hour},
		{"inbox", func(c *Config) { c.Inbox = true }, 30 * 24 * time.Hour},
		{"given", func(c *Config) { c.Inbox, c.MaxValidity = true, time.Hour }, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			alice, _, files := newOperator(t, "")
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(cfg *Config) { cfg.AllowUnsigned, cfg.Trust = false, files; c.edit(cfg) })
				defer r.close()
				for _, more := range []time.Duration{0, time.Millisecond} {
					job, body := r.signedRun(alice, func(s *wire.Statement) { s.NotAfter = s.IssuedAt + (c.valid + more).Milliseconds() })
					r.deliver(wire.TypeRun, job, body)
					if more == 0 {
						<-r.started
						r.finish <- exited(0)
					}
					if e := next[*wire.Ended](r); (e.Outcome == wire.Exited) != (more == 0) || more > 0 && !strings.Contains(e.Reason, "--max-validity") {
						t.Errorf("%s more: %+v", more, e)
					}
				}
			})
		})
	}
}

// What a line permits is what is executed: the words, not the text, also after a
// restart.
func TestConfinedCommandIsExecutedAsMatched(t *testing.T) {
	alice, _, files := newOperator(t, `permit-command="echo .*"`)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust = false, files })
		defer r.close()
		job, body := r.signedRun(alice, func(s *wire.Statement) { s.Run.Command = `echo "a  b" $(id)` })
		r.deliver(wire.TypeRun, job, body)
		if s := <-r.started; strings.Join(s.Argv, "|") != "echo|a  b|$(id)" {
			t.Errorf("executes %q", s.Argv)
		}
		r.finish <- exited(0)
		next[*wire.Ended](r)
	})
}

// A job with a secret that waits is not run after a restart, since no file has
// the secret; it says so.
func TestSecretDoesNotOutliveTheProcess(t *testing.T) {
	l := limits()
	l.Workers = 0
	b := newJournal(l, t0)
	text, hash, err := wire.EncodeSecret(wire.Secret{Salt: make([]byte, wire.MinSalt), Env: []string{"TOKEN=hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	o := run(t)
	o.Secret = &wire.Secret{Env: []string{"TOKEN=hunter2"}}
	o.run.SecretHash = hash
	j, _ := b.accept(o, "", false, t0)
	if j.phase != waiting || j.secret == nil {
		t.Fatalf("%+v", j)
	}
	again := newJournal(l, t0)
	for _, e := range []*entry{b.entry(j)} {
		record := e.encode()
		if strings.Contains(string(record), "hunter2") || strings.Contains(string(record), text) {
			t.Errorf("the journal has it: %s", record)
		}
		if err := again.replay(record); err != nil {
			t.Fatal(err)
		}
	}
	begun, withoutSecrets := again.resume(false)
	if len(begun) != 0 || len(withoutSecrets) != 1 || len(again.queue) != 0 {
		t.Errorf("%v, %v, %v", begun, withoutSecrets, again.queue)
	}
}

// Hearsay about a job, by whoever knows its id, survives a restart beside it.
func TestHearsayIsReplayed(t *testing.T) {
	b := newJournal(limits(), t0)
	o := run(t)
	o.issuer = "alice"
	cancel := about(t, wire.TypeCancel, o)
	cancel.issuer = "carol"
	b.cancel(cancel, t0)
	j, known := b.accept(o, "", false, t0)
	if known || j.phase != waiting {
		t.Fatalf("carol's cancel counts: %+v", j)
	}
	again := newJournal(limits(), t0)
	for i := len(b.unsaved) - 1; i >= 0; i-- { // whatever their order
		if err := again.replay(b.unsaved[i].record.unsaved.encode()); err != nil {
			t.Fatal(err)
		}
	}
	if got := again.known(o); got == nil || got.phase != waiting || got.issuer != "alice" {
		t.Errorf("alice's: %+v", got)
	}
	if got := again.jobs["carol/"+o.Leaf.Job]; got == nil || got.result.Outcome != wire.Canceled {
		t.Errorf("carol's: %+v", got)
	}
	theirs := about(t, wire.TypeStatus, o)
	theirs.issuer = "carol"
	if !again.foreign(theirs) {
		t.Error("carol may ask for alice's job")
	}
	theirs.anyJob = true
	if again.foreign(theirs) {
		t.Error("any-job means nothing")
	}
}

// A cancel that comes again, as often as somebody likes who has captured it, ends
// nothing a second time in log and record.
func TestCancelThatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, func(c *Config) { c.Log = textLog(&log) })
		defer r.close()
		task, job := ids()
		body := r.request(wire.TypeCancel, task, job)
		for range 100 {
			r.deliver(wire.TypeCancel, job, body)
			if e := next[*wire.Ended](r); e.Outcome != wire.Canceled {
				t.Fatalf("%+v", e)
			}
		}
		if n := strings.Count(log.String(), "msg=ended"); n != 1 {
			t.Errorf("it has ended %d times", n)
		}
	})
}

// A question that was captured and is too old is answered at the rate of
// strangers, since it may be one.
func TestOldQuestionsAreAnsweredAtABoundedRate(t *testing.T) {
	alice, _, files := newOperator(t, "")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust = false, files })
		defer r.close()
		job, body := r.signedRun(alice, func(s *wire.Statement) {
			s.Type, s.Run, s.Of = wire.TypeStatus, nil, &wire.Target{IssuedAt: s.IssuedAt, NotAfter: s.NotAfter}
		})
		time.Sleep(time.Hour)
		for range refusalBurst {
			r.deliver(wire.TypeStatus, job, body)
			if e := next[*wire.Ended](r); e.Outcome != wire.Rejected || !strings.Contains(e.Reason, "its time was up") {
				t.Fatalf("%+v", e)
			}
		}
		r.deliver(wire.TypeStatus, job, body)
		r.silent()
	})
}

// A job that waits is judged again when it is about to begin: whose key has been
// taken out meanwhile runs nothing any more.
func TestWaitingJobIsJudgedAgain(t *testing.T) {
	alice, path, files := newOperator(t, "")
	_, other, _ := newOperator(t, "")
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust = false, files })
		defer r.close()
		first, body := r.signedRun(alice, nil)
		r.deliver(wire.TypeRun, first, body)
		<-r.started
		second, body := r.signedRun(alice, nil)
		r.deliver(wire.TypeRun, second, body)
		for {
			if a, ok := r.reply(broker.Routed).(*wire.Accepted); ok && a.Job == second {
				break
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r.finish <- exited(0)
		for n := 0; n < 2; {
			e, ok := r.reply(broker.Routed).(*wire.Ended)
			if !ok {
				continue
			}
			if n++; e.Job == second && (e.Outcome != wire.Rejected || e.Reason != "no longer permitted on this host: the key is not authorized") {
				t.Errorf("%+v", e)
			}
		}
		if len(r.started) > 0 {
			t.Error("it ran")
		}
	})
}

// What judges a waiting job, and the id that answers for it, outlive a restart.
func TestSignatureAndAgentOutliveTheProcess(t *testing.T) {
	b := newJournal(limits(), t0)
	b.agent = "web01"
	o := run(t)
	o.Signature = "c2ln"
	waits, _ := b.accept(o, "", false, t0)
	for name, record := range map[string]entry{"as written": *waits.record.unsaved, "as rewritten": waits.whole()} {
		again := newJournal(limits(), t0)
		again.agent = "web02" // it has another id now
		if err := again.replay(record.encode()); err != nil {
			t.Fatal(err)
		}
		again.resume(false)
		j := again.next()
		if j == nil || j.signature != "c2ln" || j.agent != "web01" {
			t.Fatalf("%s: %+v", name, j)
		}
		kept, err := outputlog.Open("", 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		out := newReplies("web02", kept, nil)
		wantAgent := func(reply any) {
			t.Helper()
			if p := out.publication(&outMessage{to: "q", correlation: j.id, reply: reply}); !strings.Contains(string(p.Msg.Body), `"agent":"web01"`) {
				t.Errorf("%s: %s", name, p.Msg.Body)
			}
		}
		wantAgent(j.state(t0))
		wantAgent(progress(j))
		again.revoke(j, "gone", t0)
		wantAgent(out.ended(j))
		if j.signature != "" {
			t.Error("it is kept for longer than it is needed")
		}
	}
}
