package executor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

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

// SIGHUP makes the agent read the file again, even if its size and times did not change. A key
// that was removed has no effect from the next request on.
func TestRemovedKeyCannotRunCommands(t *testing.T) {
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
		if e := next[*wire.Ended](r); e.Outcome != wire.Rejected || e.Reason != wire.NotPermitted {
			t.Errorf("%+v", e)
		}
		if len(r.started) > 0 {
			t.Error("it ran")
		}
	})
}

// By default a statement may be valid for a day, or with an inbox, as long as the broker keeps
// an inbox.
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

// rightsOf is a question about rights.
func rightsOf(s *wire.Statement) { s.Type, s.Run = wire.TypeRights, nil }

// A host lists the rights of a key to its holder, as often as the holder asks, and executes
// nothing.
func TestRightsAreAnsweredToSigner(t *testing.T) {
	alice, _, files := newOperator(t, `permit-command="echo .*",any-job`)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust = false, files })
		defer r.close()
		job, body := r.signedRun(alice, rightsOf)
		for range 2 {
			r.deliver(wire.TypeRights, job, body)
			g := next[*wire.Granted](r)
			if g.Job != job || g.State != wire.GrantValid || !g.Confined || !slices.Equal(g.Commands, []string{"echo .*"}) || !g.AnyJob ||
				g.User != userName() || g.MaxValidity != (24*time.Hour).Milliseconds() || g.MaxOutput != DefaultMaxOutput || g.At == 0 {
				t.Errorf("%+v", g)
			}
		}
		if len(r.started) > 0 {
			t.Error("something was executed")
		}
	})
}

// The holder of an expired key learns that, within the rate limit for strangers. A stranger
// learns nothing.
func TestRightsOfEndedAndUnknownKeys(t *testing.T) {
	alice, _, files := newOperator(t, `expiry-time="19990101"`)
	mallory, _, _ := newOperator(t, "")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.AllowUnsigned, c.Trust = false, files })
		defer r.close()
		job, body := r.signedRun(mallory, rightsOf)
		r.deliver(wire.TypeRights, job, body)
		if e := next[*wire.Ended](r); e.Outcome != wire.Rejected || e.Reason != wire.NotPermitted {
			t.Errorf("%+v", e)
		}
		job, body = r.signedRun(alice, rightsOf)
		for range refusalBurst - 1 {
			r.deliver(wire.TypeRights, job, body)
			want := wire.Granted{V: wire.Version, Job: job, Agent: "web01", State: wire.GrantExpired, At: time.Now().UnixMilli()}
			if g := next[*wire.Granted](r); !reflect.DeepEqual(*g, want) {
				t.Fatalf("%+v", g)
			}
		}
		r.deliver(wire.TypeRights, job, body)
		r.silent()
	})
}

// The words that the key's options permit are executed, not the text of the command.
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

// Whoever captured a cancel can repeat it. The job ends once in the log.
func TestRepeatedCancelEndsJobOnce(t *testing.T) {
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

// Anybody may have captured an old request, so its answers have a rate limit.
func TestExpiredRequestsAreAnsweredAtLimitedRate(t *testing.T) {
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

// A waiting job is authorized again when it begins: its key may have been removed.
func TestWaitingJobIsAuthorizedAgain(t *testing.T) {
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
