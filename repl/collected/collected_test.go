package collected

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/files/collect"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeStore has the jobs of one collect, and what they have sent.
type fakeStore struct {
	render.Store
	jobs []model.Job
	sent map[string][]model.Segment // by job
}

func (s *fakeStore) Statement(context.Context, string) (string, error) {
	st := wire.Statement{
		Type: wire.TypeRun, Task: "5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71", IssuedAt: 1, NotAfter: 2, ReplyTo: "warren.reply.alice.3f9c1b7e5a2d4860",
		Run: &wire.Run{Argv: []string{"/x"}, Collect: &wire.Collect{MaxSize: 1000}},
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: "a1c4e7d2-58b3-4f06-9e1a-7c3d5b8f2e01", Host: "web01"}}, func([]byte) (string, error) { return "", nil })
	if err != nil {
		return "", err
	}
	text, _ := b.Statement()
	return text, nil
}

func (s *fakeStore) Jobs(context.Context, string) ([]model.Job, error) { return s.jobs, nil }

func (s *fakeStore) Sums(context.Context, []model.Job) error { return nil }

func (s *fakeStore) Output(_ context.Context, job, stream string, _ int64) iter.Seq2[model.Segment, error] {
	return func(yield func(model.Segment, error) bool) {
		if stream != wire.Stdout {
			return
		}
		for _, segment := range s.sent[job] {
			if !yield(segment, nil) {
				return
			}
		}
	}
}

// add adds a host that has sent these bytes, with a gap in the middle if gap is true.
func (s *fakeStore) add(host string, sent []byte, gap bool) *model.Job {
	j := model.Job{
		ID: host, Host: host, Index: len(s.jobs), State: model.Ended, Outcome: wire.Exited, Started: time.Unix(1, 0), Finished: time.Unix(2, 0),
		Stdout: model.Output{Size: int64(len(sent)), Kept: int64(len(sent))},
	}
	half := len(sent) / 2
	s.sent[host] = []model.Segment{{Offset: 0, Data: sent[:half]}, {Offset: int64(half), Data: sent[half:]}}
	if gap {
		s.sent[host] = s.sent[host][:1]
		j.Stdout.Kept = int64(half)
	}
	s.jobs = append(s.jobs, j)
	return &s.jobs[len(s.jobs)-1]
}

// archive is what a host sends that has these files, by names.
func archive(t *testing.T, texts map[string]string, missing ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	what := collect.Request{MaxSize: 1000, MaxArchive: 1 << 20}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		what.Paths = append(what.Paths, filepath.Join(dir, name))
	}
	for _, name := range missing {
		what.Paths = append(what.Paths, filepath.Join(dir, name))
	}
	var archive bytes.Buffer
	if err := collect.Archive(t.Context(), what, &archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// report prints what the hosts of a store have sent.
func report(t *testing.T, s *fakeStore, v *result.View) string {
	t.Helper()
	var out bytes.Buffer
	console := term.NewConsole(term.IO{Out: &out, Err: io.Discard}, false)
	task := model.Task{ID: "5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71", Command: "collect /x", Hosts: len(s.jobs)}
	if err := Apply(t.Context(), s, v, &task); err != nil {
		t.Fatal(err)
	}
	if v.Collect == nil {
		t.Fatal("the task is not a collect")
	}
	task.Summary = result.CountJobs(s.jobs)
	r := NewReport(render.NewPrinter(console, s, func() {}), console, v, task)
	if err := r.Print(t.Context(), s.jobs, s.jobs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// What is wrong with a host's archive is the error of that host only.
func TestBrokenArchivesAreErrorsOfTheirHosts(t *testing.T) {
	good := archive(t, map[string]string{"x": "one"})
	s := &fakeStore{sent: map[string][]model.Segment{}}
	s.add("web01", good, false)
	s.add("web02", []byte("rubbish, and no archive at all"), false)
	s.add("web03", good, true)
	s.add("web04", good[:len(good)-9], false)
	s.add("web05", nil, false)
	save := t.TempDir()
	v := &result.View{Save: save}
	text := report(t, s, v)
	wantText(t, text, "web02       the host did not send a valid archive: gzip: invalid header",
		"web03       ", "have not arrived yet", "web[04-05]  the host did not send a valid archive: it ends too early",
		"4 hosts without a whole archive: see above")
	if Status(t.Context(), v, s.jobs) == nil {
		t.Error("the status is 0")
	}
	if Status(t.Context(), v, s.jobs[:1]) != nil {
		t.Error("the status of the good host is not 0")
	}
	saved, err := os.ReadDir(save)
	if err != nil || saved[0].Name() != "web01" {
		t.Errorf("%v, %v", saved, err)
	}
}

// Hosts that have the same file share a line, and --diff says what others have.
func TestReportGroupsHostsByVersion(t *testing.T) {
	dir := t.TempDir()
	collect := func(text string) []byte {
		if err := os.WriteFile(filepath.Join(dir, "x"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var archive bytes.Buffer
		err := collect.Archive(t.Context(), collect.Request{Paths: []string{dir + "/x", dir + "/none"}, MaxSize: 1000, MaxArchive: 1 << 20}, &archive)
		if err != nil {
			t.Fatal(err)
		}
		return archive.Bytes()
	}
	s := &fakeStore{sent: map[string][]model.Segment{}}
	same := collect("a\nb\n")
	s.add("web01", same, false)
	s.add("web02", collect("a\nc\n"), false)
	s.add("web03", same, false)
	s.add("web04", nil, false).Outcome = wire.Unreachable
	text := report(t, s, &result.View{Diff: true})
	_, err := os.Stat(dir + "/none")
	wantText(t, text, "  web02       4 B  sha256 ", "-b\n+c\n", "  web[01,03]  4 B  sha256 ", "/none  web[01-03]  missing: "+errors.Unwrap(err).Error(),
		"web04  unreachable", "3 files, 12 B, of 3 hosts", "hint: check_task 5e8d1f60 --save DIR saves the files")
}

// A job that did not end well has its outcome, and the files that arrived whole.
func TestFilesBeforeAFailureAreKept(t *testing.T) {
	whole := archive(t, map[string]string{"x": "one"})
	s := &fakeStore{sent: map[string][]model.Segment{}}
	s.add("web01", whole[:len(whole)-8], false).Outcome = wire.Interrupted
	v := &result.View{Save: t.TempDir()}
	text := report(t, s, v)
	wantText(t, text, "/x  web01  3 B", "web01  interrupted", "saved in ")
	if strings.Contains(text, "valid archive") {
		t.Errorf("the archive is blamed:\n%s", text)
	}
}
