package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/executor"
	"warren/internal/wire"
)

// tell sends a request and gives what its sender hears, in one line.
func (s *scene) tell(f *forgery) string {
	s.t.Helper()
	s.clock.advance(time.Second)
	s.publish(f.queue, f.make())
	return s.heard()
}

// heard is the next reply that is no mere progress.
func (s *scene) heard() string {
	s.t.Helper()
	for {
		if got := said(s.reply()); got != progress {
			return got
		}
	}
}

// begin sends a request of a command that takes its time.
func (s *scene) begin(f *forgery) {
	s.t.Helper()
	s.publish(f.queue, f.make())
	if got := said(s.reply()); got != progress {
		s.t.Fatalf("heard %q", got)
	}
}

// about is a question of a signer's for the job of another request.
func (s *scene) about(typ string, f *forgery, by ssh.Signer) *forgery {
	q := s.forge(typ)
	q.by, q.st.Task, q.leaf.Job = by, f.st.Task, f.leaf.Job
	q.st.Of = &wire.Target{IssuedAt: f.st.IssuedAt, NotAfter: f.st.NotAfter}
	return q
}

func (s *scene) want(got, want string) {
	s.t.Helper()
	if !strings.HasPrefix(got, want) {
		s.t.Errorf("heard %q, want %q", got, want)
	}
}

const others = "rejected: the job is another operator's"

// A captured request does nothing when it comes again, and a job is its issuer's
// alone, but for who has any-job.
func TestJobsBelongToTheirIssuer(t *testing.T) {
	s := newScene(t, nil)
	count := filepath.Join(s.dir, "count")
	f := s.forge(wire.TypeRun)
	f.st.Run.Command = "echo secret-output; echo ran >>" + count
	captured := f.make()
	s.publish(f.queue, captured)
	s.want(s.heard(), "exited: ")
	for range 4 { // answered again, or not where the answer is still on its way
		s.clock.advance(time.Second)
		_, replies := s.judged(f.queue, captured, false)
		for _, r := range replies {
			s.want(said(r), "exited: ")
		}
	}
	if ran, _ := os.ReadFile(count); string(ran) != "ran\n" {
		t.Errorf("a captured request that came again ran: %q", ran)
	}
	s.over = f.leaf.Job // its last answer may yet come

	f = s.forge(wire.TypeRun)
	f.st.Run.Command = "echo secret-output; echo ran >>" + count
	s.want(s.tell(f), "exited: ")
	stolen := s.forge(wire.TypeRun)
	stolen.by, stolen.st.Task, stolen.leaf.Job = s.carol, f.st.Task, f.leaf.Job
	s.want(s.tell(stolen), others)
	s.want(s.tell(s.about(wire.TypeStatus, f, s.carol)), others)
	s.want(s.tell(s.about(wire.TypeCancel, f, s.carol)), others)
	s.want(s.tell(s.about(wire.TypeStatus, f, s.alice)), "exited: ")
	s.want(s.tell(s.about(wire.TypeStatus, f, s.dave)), "exited: ")
	if ran, _ := os.ReadFile(count); string(ran) != "ran\nran\n" || len(s.touched()) != 1 {
		t.Errorf("it ran %q; %q", ran, s.touched())
	}

	// While it runs.
	slow := s.forge(wire.TypeRun)
	slow.st.Run.Command, slow.st.Run.TimeoutMS = "sleep 600", time.Hour.Milliseconds() // until it is canceled
	s.begin(slow)
	s.want(s.tell(s.about(wire.TypeStatus, slow, s.carol)), others)
	s.want(s.tell(s.about(wire.TypeCancel, slow, s.carol)), others)
	s.want(s.tell(s.about(wire.TypeStatus, slow, s.alice)), "state running")
	s.want(s.tell(s.about(wire.TypeCancel, slow, s.dave)), "state running")
	for got := ""; !strings.HasPrefix(got, "canceled"); {
		got = s.heard()
	}
}

// Whoever knows the id of a job that has not arrived cannot end it before it
// does; its issuer can, and who has any-job.
func TestTombstonesBelongToTheirIssuer(t *testing.T) {
	s := newScene(t, nil)
	f := s.forge(wire.TypeRun)
	s.want(s.tell(s.about(wire.TypeCancel, f, s.carol)), "canceled: ")
	s.want(s.tell(f), "exited: ")
	s.want(s.tell(s.about(wire.TypeCancel, f, s.carol)), others)
	if len(s.touched()) != 1 {
		t.Error("carol's cancel has kept alice's command from running")
	}
	for name, by := range map[string]ssh.Signer{"alice": s.alice, "dave": s.dave} {
		f := s.forge(wire.TypeRun)
		s.want(s.tell(s.about(wire.TypeCancel, f, by)), "canceled: ")
		s.tell(s.about(wire.TypeCancel, f, s.carol)) // changes nothing
		s.want(s.tell(f), "canceled: ")
		if len(s.touched()) != 1 {
			t.Errorf("it ran although %s has canceled it", name)
		}
	}
	// Another's task of the same id is another task.
	theirs, mine := s.forge(wire.TypeRun), s.forge(wire.TypeRun)
	theirs.by, theirs.st.Task = s.carol, mine.st.Task
	s.want(s.tell(theirs), "exited: ")
	s.want(s.tell(mine), "exited: ")
}

// One job of a task, whatever name it comes by.
func TestSecondJobOfATask(t *testing.T) {
	s := newScene(t, nil)
	f, again := s.forge(wire.TypeRun), s.forge(wire.TypeRun)
	again.st.Task, again.leaf.Host, again.queue = f.st.Task, aliasName, wire.HostQueue(aliasName)
	s.want(s.tell(f), "exited: ")
	s.want(s.tell(again), "rejected: duplicate of "+f.leaf.Job)
}

// Strangers are answered, logged and recorded at a bounded rate, and the agent
// goes on working meanwhile.
func TestFlood(t *testing.T) {
	s := newScene(t, nil)
	const flood = 500
	before := decisions(t, s.dataDir)
	begun := time.Now()
	for range flood {
		f := s.forge(wire.TypeRun)
		f.by = s.mallory
		s.publish(f.queue, f.make())
	}
	good := s.forge(wire.TypeRun)
	_, replies := s.judged(good.queue, good.make(), false)
	refused := 0
	for _, v := range replies {
		if strings.HasPrefix(said(v), stranger) {
			refused++
		}
	}
	// 20 at once and 10 a second.
	if most := 21 + int(10*time.Since(begun).Seconds()); refused == 0 || refused > most {
		t.Errorf("%d of %d strangers' requests were answered, %d may be", refused, flood, most)
	}
	if lines := len(decisions(t, s.dataDir)) - len(before); lines > 40 {
		t.Errorf("%d lines are recorded", lines)
	}
	if journal := grep(t, s.dataDir, "journal", ssh.FingerprintSHA256(s.mallory.PublicKey())); journal != "" {
		t.Errorf("the journal knows of it: %s", journal)
	}
	s.clock.advance(time.Minute)
	f := s.forge(wire.TypeRun)
	f.by = s.mallory
	s.judged(f.queue, f.make(), true)
	counted := 0
	for _, d := range decisions(t, s.dataDir) {
		counted += d.Unrecorded
	}
	if counted < flood-40 {
		t.Errorf("%d are said not to be recorded, of %d", counted, flood)
	}
}

// grep names the files below dir whose name begins with prefix that contain text.
func grep(t *testing.T, dir, prefix, text string) string {
	t.Helper()
	var found []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || !strings.HasPrefix(info.Name(), prefix) {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}

// Secret values reach the command and nothing else: neither while it waits nor
// after its end are they in any file of the agent.
func TestSecretsAreInNoFile(t *testing.T) {
	s := newScene(t, func(c *executor.Config) { c.Limits.Workers = 1 })
	const value = "hunter2-in-no-file"
	release := filepath.Join(s.t.TempDir(), "release")
	first := s.forge(wire.TypeRun)
	first.st.Run.Command = "until test -e " + release + "; do sleep 0.05; done"
	s.begin(first)
	f := s.forge(wire.TypeRun)
	f.st.Run.Command = `printf %s "$TOKEN" | wc -c >` + filepath.Join(s.dir, "env") + `; wc -c >` + filepath.Join(s.dir, "stdin")
	f.bind(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","env":["TOKEN=` + value + `"],"stdin":"` + base64Of(value) + `"}`)
	s.begin(f) // accepted: it waits
	absent := func(when string) {
		t.Helper()
		for _, text := range []string{value, base64Of(value)} {
			if found := grep(t, s.dataDir, "", text); found != "" {
				t.Errorf("%s it is in %s", when, found)
			}
		}
	}
	absent("while it waits")
	check := s.about(wire.TypeRun, f, s.alice)
	check.st.Type, check.st.Of, check.st.Run, check.secret = wire.TypeCheck, nil, f.st.Run, f.secret
	if got := s.tell(check); strings.Contains(got, value) || got != "would run" {
		t.Errorf("check says %q", got)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for ended := 0; ended < 2; {
		if v, ok := s.reply().(*wire.Ended); ok {
			s.want(said(v), "exited: ")
			ended++
		}
	}
	for _, name := range []string{"env", "stdin"} {
		if got, _ := os.ReadFile(filepath.Join(s.dir, name)); strings.TrimSpace(string(got)) != "18" {
			t.Errorf("%s has %q bytes", name, got)
		}
	}
	absent("after its end")
	for _, reason := range s.log.take() {
		if strings.Contains(reason, value) {
			t.Errorf("the log says %q", reason)
		}
	}
}
