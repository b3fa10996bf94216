package results

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"warren/internal/operator/model"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		child(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// running is a Store with its actor.
type running struct {
	*Store
	end func() // ends the actor, waits for it and closes the store; again is nothing
}

func start(t testing.TB, dir string) *running {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	done := false
	r := &running{s, func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}}
	t.Cleanup(r.end)
	return r
}

func (r *running) add(t testing.TB, task model.Task, jobs []model.Job) []<-chan Progress {
	t.Helper()
	ps, err := r.Add(t.Context(), task, jobs)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func (r *running) queue(t testing.TB, us ...Update) <-chan error {
	t.Helper()
	answer, err := r.Apply(t.Context(), us)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (r *running) apply(t testing.TB, us ...Update) {
	t.Helper()
	if err := <-r.queue(t, us...); err != nil {
		t.Fatal(err)
	}
}

func (r *running) find(t testing.TB, id string) model.Task {
	t.Helper()
	task, err := r.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func (r *running) job(t testing.TB, j model.Job) model.Job {
	t.Helper()
	jobs, err := r.Jobs(t.Context(), j.Task)
	if err != nil {
		t.Fatal(err)
	}
	return jobs[j.Index]
}

// text is a stream with "·" where a gap is.
func (r *running) text(t testing.TB, j model.Job, stream string) string {
	t.Helper()
	var b strings.Builder
	var at int64
	for s, err := range r.Output(t.Context(), j.ID, stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Offset < at {
			t.Fatalf("overlap at %d", s.Offset)
		}
		if s.Offset > at {
			b.WriteString("·")
		}
		b.Write(s.Data)
		at = s.Offset + int64(len(s.Data))
	}
	return b.String()
}

func (r *running) counters(t testing.TB) Counts {
	t.Helper()
	c, err := r.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// raw is a connection of its own to the file of a store.
func raw(t testing.TB, dir string) *zombiezen.Conn {
	t.Helper()
	conn, err := zombiezen.OpenConn(filepath.Join(dir, sqlite.FileName), zombiezen.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// execRaw carries out statements on the file of a store.
func execRaw(t testing.TB, dir, text string) {
	t.Helper()
	conn := raw(t, dir)
	defer conn.Close()
	if err := sqlitex.ExecuteScript(conn, text, nil); err != nil {
		t.Fatal(err)
	}
}

// queryRaw returns the first column of the first row of a query on the file of a store.
func queryRaw(t testing.TB, dir, text string) (got string) {
	t.Helper()
	conn := raw(t, dir)
	defer conn.Close()
	err := sqlitex.ExecuteTransient(conn, text, &sqlitex.ExecOptions{ResultFunc: func(s *zombiezen.Stmt) error {
		if got == "" {
			got = s.ColumnText(0)
		}
		return nil
	}})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

var origin = time.UnixMilli(1_700_000_000_123)

func newTask(jobs int) (model.Task, []model.Job) {
	t := model.Task{
		ID: uuid.NewString(), Command: "uname -a", Operator: "ann", Created: origin, NotAfter: origin.Add(time.Minute),
		Timeout: 30 * time.Second, MaxOutput: 1 << 20, Hosts: jobs, Statement: `{"type":"run"}`,
	}
	js := make([]model.Job, jobs)
	for i := range js {
		id := uuid.NewString()
		digest := sha256.Sum256([]byte(id))
		js[i] = model.Job{ID: id, Task: t.ID, Host: fmt.Sprintf("web%05d", i), Index: i, Digest: digest[:], Signed: model.Signed{Issued: t.Created, NotAfter: t.NotAfter}}
	}
	return t, js
}

func exited(j model.Job, code int, stdout string) *wire.Ended {
	return &wire.Ended{
		V: wire.Version, Job: j.ID, Agent: j.Host, Outcome: wire.Exited, ExitCode: &code,
		AcceptedAt: origin.UnixMilli(), StartedAt: origin.UnixMilli() + 1, EndedAt: origin.UnixMilli() + 5,
		Stdout: &wire.Stream{Size: int64(len(stdout)), Data: []byte(stdout)}, Stderr: &wire.Stream{},
	}
}

func output(j model.Job, stream string, offset int64, data string) *wire.Output {
	return &wire.Output{Job: j.ID, Stream: stream, Offset: offset, Data: []byte(data)}
}

// Counts returns what this process has discarded since Run began.
func (s *Store) Counts(ctx context.Context) (Counts, error) {
	return ask(ctx, s, func(a *actor) (Counts, error) { return a.counts, nil })
}
