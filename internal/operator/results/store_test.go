package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

func TestTaskIsStored(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(3)
	s.add(t, task, jobs)
	if err := s.SetControl(t.Context(), task.ID, model.ControlCancel); err != nil {
		t.Fatal(err)
	}
	lease := s.Lease()
	s.end()

	s = start(t, dir)
	want := task
	want.Driver, want.Cancel, want.Statement = lease, true, ""
	want.Summary = model.Summary{Hosts: 3, Outcomes: map[wire.Outcome]int{}}
	if got := s.find(t, task.ID); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if text, err := s.Statement(t.Context(), task.ID); err != nil || text != task.Statement {
		t.Errorf("statement %q, %v", text, err)
	}
	got, err := s.Jobs(t.Context(), task.ID)
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	for i, j := range got {
		want := jobs[i]
		want.State = model.Pending
		if !reflect.DeepEqual(j, want) {
			t.Errorf("got  %+v\nwant %+v", j, want)
		}
	}
	for _, name := range []string{sqlite.FileName, sqlite.FileName + "-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if m := info.Mode().Perm(); runtime.GOOS != "windows" && m != 0o600 {
			t.Errorf("%s has mode %o", name, m)
		}
	}
}

func TestApplyAndRead(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(4)
	ps := s.add(t, task, jobs)
	s.apply(t,
		Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, "hello\n")},
		Update{Job: jobs[1].ID, Reply: exited(jobs[1], 3, "")},
		Update{Job: jobs[2].ID, Outcome: wire.Unreachable, Reason: "no queue"},
		Update{Job: jobs[3].ID, State: model.Sent},
		Update{Job: jobs[3].ID, Reply: output(jobs[3], wire.Stderr, 0, "oops")},
		Update{Job: uuid.NewString(), State: model.Sent}, // a job of no task
		Update{Job: "x", State: model.Sent},
	)

	j := s.job(t, jobs[0])
	if !j.OK() || j.Agent != "web00000" || j.Duration() != 4*time.Millisecond || !j.Accepted.Equal(origin) || j.Incomplete() {
		t.Errorf("got %+v", j)
	}
	if got := (model.Output{Size: 6, Kept: 6, Begin: 6, Sum: sumOf("hello\n")}); j.Stdout != got || s.text(t, j, wire.Stdout) != "hello\n" {
		t.Errorf("got %+v, %q", j.Stdout, s.text(t, j, wire.Stdout))
	}
	if j := s.job(t, jobs[3]); j.State != model.Running || j.Stderr.Size != 4 {
		t.Errorf("got %+v", j)
	}
	want := model.Summary{Hosts: 4, Ended: 3, OK: 1, Outcomes: map[wire.Outcome]int{wire.Exited: 1, wire.Unreachable: 1}}
	if got := s.find(t, task.ID); !got.Summary.Equal(want) || got.Done() {
		t.Errorf("got %+v", got.Summary)
	}
	if got := s.counters(t); got != (Counts{Unknown: 2}) {
		t.Errorf("got %+v", got)
	}

	for i, want := range []Progress{
		{State: model.Ended, Outcome: wire.Exited, OK: true, Heard: 1, Have: 6},
		{State: model.Ended, Outcome: wire.Exited, Heard: 1},
		{State: model.Ended, Outcome: wire.Unreachable},
		{State: model.Running, Heard: 1},
	} {
		if got := <-ps[i]; got != want {
			t.Errorf("job %d: got %+v, want %+v", i, got, want)
		}
	}
	for i := range 3 {
		if p, open := <-ps[i]; open {
			t.Errorf("job %d: another progress %+v", i, p)
		}
	}

	var pieces []string
	for p, err := range s.Outputs(t.Context(), task.ID) {
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, fmt.Sprintf("%d %s %d %s", p.Job, p.Stream, p.Offset, p.Data))
	}
	if want := []string{"0 stdout 0 hello\n", "3 stderr 0 oops"}; !slices.Equal(pieces, want) {
		t.Errorf("got %q", pieces)
	}
	for range s.Outputs(t.Context(), task.ID) {
		break // must leave no query open: Close would hang
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || !slices.Equal(hosts, []string{"web00000", "web00001"}) {
		t.Errorf("hosts %v, %v", hosts, err)
	}
}

// A Progress that was not read is replaced. The store does not wait.
func TestUnreadProgressIsReplaced(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	ps := s.add(t, task, jobs)
	id := jobs[0].ID
	for range 5 {
		s.apply(t, Update{Job: id, Reply: &wire.State{Agent: "a", State: wire.StateUnknown}})
	}
	if got, want := <-ps[0], (Progress{State: model.Pending, Unknown: true, Heard: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.apply(t, Update{Job: id, State: model.Sent})
	if got, want := <-ps[0], (Progress{State: model.Sent, Unknown: true, Heard: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.apply(t, Update{Job: id, Reply: &wire.Accepted{Agent: "a", At: 1}})
	if got, want := <-ps[0], (Progress{State: model.Accepted, Heard: 6}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.end()
	if _, open := <-ps[0]; open {
		t.Error("open after the end")
	}
}

func TestOutputAccounts(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(3)
	task.MaxOutput = 10
	s.add(t, task, jobs)
	j := jobs[0]
	put := func(offset int64, data string) Update {
		return Update{Job: j.ID, Reply: output(j, wire.Stdout, offset, data)}
	}

	// In order, twice, cut differently, and with the middle dropped.
	s.apply(t, put(0, "01"), put(2, "2"))
	s.apply(t, put(0, "01"), put(1, "1234"))
	s.apply(t, put(95, "VWX"), put(95, "VWX"))
	if got := s.text(t, j, wire.Stdout); got != "01234·VWX" {
		t.Errorf("got %q", got)
	}
	zero := 0
	ended := &wire.Ended{Agent: "a", Outcome: wire.Exited, ExitCode: &zero, EndedAt: 1, Stdout: &wire.Stream{Size: 100, Dropped: 90}}
	s.apply(t, Update{Job: j.ID, Reply: ended})
	if got := s.job(t, j); !got.Incomplete() || got.Stdout != (model.Output{Size: 100, Dropped: 90, Kept: 8, Begin: 5}) {
		t.Errorf("got %+v", got.Stdout)
	}

	// The rest comes late, in the answer to a status.
	chans, release, err := s.Follow(t.Context(), task.ID)
	if err != nil || len(chans) != 3 {
		t.Fatal(chans, err)
	}
	defer release()
	s.apply(t, put(95, "VWXYZ"))
	if got := s.job(t, j); got.Incomplete() || s.text(t, j, wire.Stdout) != "01234·VWXYZ" {
		t.Errorf("got %+v, %q", got, s.text(t, j, wire.Stdout))
	}
	if p := <-chans[j.ID]; p.State != model.Ended {
		t.Errorf("got %+v", p)
	}
	if _, open := <-chans[j.ID]; open {
		t.Error("the channel is open although nothing is missing")
	}

	// More than the limit of the task.
	hostile := jobs[1]
	s.apply(t,
		Update{Job: hostile.ID, Reply: output(hostile, wire.Stdout, 0, "0123456789abc")},
		Update{Job: hostile.ID, Reply: output(hostile, wire.Stdout, 1<<62, "far")},
		Update{Job: hostile.ID, Reply: output(hostile, wire.Stderr, -1, "neg")})
	if got := s.text(t, hostile, wire.Stdout); got != "0123456789" {
		t.Errorf("got %q", got)
	}
	if got := s.counters(t); got.Refused != 9 {
		t.Errorf("refused %d", got.Refused)
	}

	// The agent no longer has the missing bytes.
	gone := jobs[2]
	lost := &wire.Ended{Agent: "a", Outcome: wire.Exited, ExitCode: &zero, EndedAt: 1, Stdout: &wire.Stream{Size: 5}}
	s.apply(t, Update{Job: gone.ID, Reply: lost})
	again := *lost
	again.Stdout = &wire.Stream{Size: 5, Gone: true}
	s.apply(t, Update{Job: gone.ID, Reply: &again})
	if got := s.job(t, gone); !got.Incomplete() || !got.Stdout.Gone {
		t.Errorf("got %+v", got.Stdout)
	}
}

// The answer for a lost job reaches a process that did not drive it.
func TestLateAnswer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(2)
	ps := s.add(t, task, jobs)
	s.apply(t, Update{Job: jobs[0].ID, Outcome: wire.Lost, Reason: "silence"}, Update{Job: jobs[1].ID, Outcome: wire.Unreachable})
	if p := <-ps[0]; p.Outcome != wire.Lost {
		t.Errorf("got %+v", p)
	}
	if _, open := <-ps[0]; open {
		t.Error("its channel is still open")
	}
	s.end()

	s = start(t, dir)
	chans, release, err := s.Follow(t.Context(), task.ID)
	if err != nil || len(chans) != 1 {
		t.Fatal(chans, err)
	}
	s.apply(t, Update{Job: jobs[0].ID, Reply: &wire.State{Agent: jobs[0].Host, State: wire.StateRunning, StartedAt: 5}})
	if p, want := <-chans[jobs[0].ID], (Progress{State: model.Ended, Outcome: wire.Lost, Heard: 1}); p != want {
		t.Errorf("got %+v", p)
	}
	if j := s.job(t, jobs[0]); j.Outcome != wire.Lost || !strings.Contains(j.Reason, "running") || j.Started.IsZero() {
		t.Errorf("got %+v", j)
	}
	release()
	if _, open := <-chans[jobs[0].ID]; open {
		t.Error("the channel is open after the release")
	}
	release() // again has no effect
	s.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, "at last")})
	want := model.Summary{Hosts: 2, Ended: 2, OK: 1, Outcomes: map[wire.Outcome]int{wire.Unreachable: 1}}
	if got := s.find(t, task.ID); !got.Summary.Equal(want) || !got.Done() {
		t.Errorf("got %+v", got.Summary)
	}
	if j := s.job(t, jobs[0]); !j.OK() || j.Reason != "" || s.text(t, j, wire.Stdout) != "at last" {
		t.Errorf("got %+v", j)
	}
}

// Only a rejection that names the new digest ends a job whose request was signed again.
func TestRejectionOfOldSignatureIsIgnored(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	digest := bytes.Repeat([]byte{7}, 32)
	s.apply(t, Update{Job: jobs[0].ID, Digest: digest})
	refusal := &wire.Ended{Agent: "a", Outcome: wire.Rejected, Reason: "no", Request: jobs[0].Digest, EndedAt: 9}
	s.apply(t, Update{Job: jobs[0].ID, Reply: refusal})
	if j := s.job(t, jobs[0]); j.State == model.Ended {
		t.Errorf("ended by the refusal of an older request: %+v", j)
	}
	again := *refusal
	again.Request = digest
	s.apply(t, Update{Job: jobs[0].ID, Reply: &again})
	if j := s.job(t, jobs[0]); j.Outcome != wire.Rejected || !bytes.Equal(j.Digest, digest) {
		t.Errorf("got %+v", j)
	}
}

func TestFind(t *testing.T) {
	s := start(t, t.TempDir())
	ids := []string{
		"1b4e28ba-2fa1-4d2b-883f-0016d3cca427",
		"1b4e28ba-2fa1-4d2b-883f-0016d3cca428",
		"1b4e3000-2fa1-4d2b-883f-0016d3cca429",
	}
	for _, id := range ids {
		task, jobs := newTask(1)
		task.ID = id
		s.add(t, task, jobs)
	}
	for _, c := range []struct {
		prefix, id string
		err        error
		ids        []string
	}{
		{prefix: ids[0], id: ids[0]},
		{prefix: strings.ToUpper(ids[1]), id: ids[1]},
		{prefix: strings.ReplaceAll(ids[1], "-", ""), id: ids[1]},
		{prefix: "1b4e3", id: ids[2]},
		{prefix: "1b4e3000-", id: ids[2]},
		{prefix: "1B4E30002FA1", id: ids[2]},
		{prefix: "1b4e", ids: []string{ids[2], ids[1], ids[0]}},
		{prefix: "1b4e28ba-2", ids: []string{ids[1], ids[0]}},
		{prefix: "1b4f", err: ErrNoTask},
		{prefix: "ffffffff", err: ErrNoTask},
		{prefix: "1b4", err: ErrBadID},
		{prefix: "", err: ErrBadID},
		{prefix: "----", err: ErrBadID},
		{prefix: "1b-4e28", err: ErrBadID},
		{prefix: "1b4g", err: ErrBadID},
		{prefix: "1b4e%", err: ErrBadID},
		{prefix: ids[0] + "0", err: ErrBadID},
	} {
		got, err := s.Find(t.Context(), c.prefix)
		var amb *AmbiguousError
		switch {
		case c.err != nil:
			if !errors.Is(err, c.err) || hint.First(err) == "" {
				t.Errorf("%q: got %v, want %v", c.prefix, err, c.err)
			}
		case c.ids != nil:
			if !errors.As(err, &amb) || !slices.Equal(amb.IDs, c.ids) || hint.First(err) == "" {
				t.Errorf("%q: got %v", c.prefix, err)
			}
		case err != nil || got.ID != c.id:
			t.Errorf("%q: got %s, %v", c.prefix, got.ID, err)
		}
	}

	newest, err := s.Tasks(t.Context(), 2)
	if err != nil || len(newest) != 2 || newest[0].ID != ids[2] || newest[1].ID != ids[1] {
		t.Errorf("got %v, %v", newest, err)
	}
	if all, err := s.Tasks(t.Context(), 0); err != nil || len(all) != 3 {
		t.Errorf("got %v, %v", all, err)
	}
	for name, err := range map[string]error{
		"Jobs":       second(s.Jobs(t.Context(), uuid.NewString())),
		"Statement":  second(s.Statement(t.Context(), uuid.NewString())),
		"SetControl": s.SetControl(t.Context(), uuid.NewString(), model.ControlCancel),
	} {
		if !errors.Is(err, ErrNoTask) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Opening an existing store does not write to results.db: each write waits for the disk.
func TestOpenWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	s.end()
	path := filepath.Join(dir, sqlite.FileName)
	before := read(t, path)
	again, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !bytes.Equal(before, read(t, path)) || logSize(t, dir) != 0 {
		t.Errorf("results.db has changed, or the log has %d bytes", logSize(t, dir))
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func second[T any](_ T, err error) error { return err }

func TestAddRefuses(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2)
	s.add(t, task, jobs)
	if _, err := s.Add(t.Context(), task, jobs); err == nil {
		t.Error("a task twice")
	}
	other, twins := newTask(2)
	twins[1].ID = twins[0].ID
	if _, err := s.Add(t.Context(), other, twins); err == nil {
		t.Error("a job twice")
	}
	if _, err := s.Find(t.Context(), other.ID); !errors.Is(err, ErrNoTask) {
		t.Errorf("half a task: %v", err)
	}
	twins[1].ID = "no id"
	if _, err := s.Add(t.Context(), other, twins); err == nil {
		t.Error("a job without id")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other, twins = newTask(1)
	if _, err := s.Add(ctx, other, twins); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.apply(t, Update{Job: jobs[0].ID, State: model.Sent}) // the store still works
}

func TestAgents(t *testing.T) {
	s := start(t, t.TempDir())
	h := &wire.Hello{V: 1, Agent: "web01", Names: []string{"web01", "10.0.0.1"}, Facts: wire.Facts{OS: "linux", Labels: map[string]string{"role": "web"}}, Running: 2, At: 5}
	before := time.Now().Add(-time.Second)
	for range 2 {
		h.Running++
		discover := s.asked(t)
		if err := s.SawAgent(t.Context(), discover, h, ""); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Agents(t.Context(), before)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0].Hello, *h) || time.Since(got[0].Seen) > time.Minute {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := s.Agents(t.Context(), time.Now().Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if hosts, err := s.Hosts(t.Context()); err != nil || !slices.Equal(hosts, []string{"10.0.0.1", "web01"}) {
		t.Errorf("hosts %v, %v", hosts, err)
	}
}

// Updates that do not fit on a full disk are not acknowledged. The same updates succeed once
// there is space.
func TestFullDiskRefusesUpdates(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	ps := s.add(t, task, jobs)
	j := jobs[0]
	pages := func(n int) {
		t.Helper()
		err := askNothing(t.Context(), s.Store, func(a *actor) error { return a.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	big := Update{Job: j.ID, Reply: output(j, wire.Stdout, 0, strings.Repeat("x", 100_000))}
	pages(1) // SQLite makes it as many as there are
	for range 2 {
		err := <-s.queue(t, big)
		if err == nil || !strings.Contains(err.Error(), "disk is full") || hint.First(err) == "" {
			t.Fatalf("got %v", err)
		}
	}
	if got := s.job(t, j); got.State != model.Pending || got.Stdout.Kept != 0 {
		t.Errorf("half stored: %+v", got)
	}
	select {
	case p := <-ps[0]:
		t.Errorf("progress of what is not stored: %+v", p)
	default:
	}
	pages(1 << 30)
	s.apply(t, big)
	if got := s.job(t, j); got.State != model.Running || got.Stdout.Kept != 100_000 {
		t.Errorf("got %+v", got)
	}
	if p := <-ps[0]; p.Heard != 1 {
		t.Errorf("got %+v", p)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	s, other := start(t, dir), start(t, dir)
	task, jobs := newTask(3)
	s.add(t, task, jobs)
	if _, _, err := s.Watch(t.Context(), uuid.NewString()); !errors.Is(err, ErrNoTask) {
		t.Errorf("got %v", err)
	}
	here, close1, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	there, close2, err := other.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	empty := model.Summary{Hosts: 3, Outcomes: map[wire.Outcome]int{}}
	for _, ch := range []<-chan model.Summary{here, there} {
		if got := <-ch; !got.Equal(empty) {
			t.Errorf("got %+v", got)
		}
	}
	s.apply(t, Update{Job: jobs[0].ID, State: model.Sent}) // a change, though none of the counts
	s.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, "")})
	s.apply(t, Update{Job: jobs[1].ID, Reply: exited(jobs[1], 0, "")})
	want := model.Summary{Hosts: 3, Ended: 2, OK: 2, Outcomes: map[wire.Outcome]int{}, Rev: 3}
	if got := <-here; !got.Equal(want) {
		t.Errorf("the latest is not what is left: %+v", got)
	}
	for got := range there { // another process's commits, by polling
		if got.Equal(want) {
			break
		}
	}
	// A task that is driven here changes there too.
	other.apply(t, Update{Job: jobs[2].ID, Reply: exited(jobs[2], 1, "")})
	if got := <-here; got.Ended != 3 || got.Outcomes[wire.Exited] != 1 {
		t.Errorf("got %+v", got)
	}
	close1()
	close1()
	for range here { // to its close
	}
	other.end()
	for range there {
	}
	close2() // after the end
}

// The summaries that a watcher gets match the database, also while another process writes to
// it.
func TestWatchersGetWhatIsStored(t *testing.T) {
	dir := t.TempDir()
	s, other := start(t, dir), start(t, dir)
	task, jobs := newTask(40)
	s.add(t, task, jobs)
	summaries, stop, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	read := func() model.Summary {
		sum, err := ask(t.Context(), s.Store, func(a *actor) (model.Summary, error) {
			return a.db.Summary(a.watched[task.ID].row, len(jobs))
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		j := jobs[random.IntN(len(jobs))]
		u := []Update{
			{Job: j.ID, State: model.Sent},
			{Job: j.ID, Outcome: wire.Lost},
			{Job: j.ID, Outcome: wire.Lost, Reason: "again"},
			{Job: j.ID, Reply: exited(j, 0, "")},
			{Job: j.ID, Reply: exited(j, 1, "")},
		}[random.IntN(5)]
		if random.IntN(4) == 0 {
			other.apply(t, u)
			continue
		}
		before := read()
		s.apply(t, u)
		want := read()
		if want.Equal(before) {
			continue
		}
		for got := range summaries { // perhaps what a poll has found first
			if got.Equal(want) {
				break
			}
			if got.Rev >= want.Rev {
				t.Fatalf("summary %+v, stored is %+v", got, want)
			}
		}
	}
}

func TestHasDriver(t *testing.T) {
	dir := t.TempDir()
	s, other := start(t, dir), start(t, dir)
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	task = other.find(t, task.ID)
	if task.Driver != s.Lease() || !s.HasDriver(t.Context(), task) || !other.HasDriver(t.Context(), task) {
		t.Error("the live process is not the driver")
	}
	s.end()
	if other.HasDriver(t.Context(), task) {
		t.Error("a dead process is the driver")
	}
	if other.HasDriver(t.Context(), model.Task{}) || other.HasDriver(t.Context(), model.Task{Driver: "../open"}) {
		t.Error("a missing lease is the driver")
	}
	left, _ := os.ReadDir(filepath.Join(dir, "drivers"))
	if len(left) != 1 || left[0].Name() != other.Lease()+".lock" {
		t.Errorf("leases left: %v", left)
	}
}

// The name of the directory is no pattern.
func TestLeasesOfDeadProcessesAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results[1]")
	dead := leasePath(filepath.Join(dir, "drivers"), uuid.NewString())
	if err := errors.Join(os.MkdirAll(filepath.Dir(dead), 0o700), os.WriteFile(dead, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lease is there: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	create := func(t *testing.T, path, text string) {
		t.Helper()
		conn, err := zombiezen.OpenConn(path, zombiezen.OpenReadWrite, zombiezen.OpenCreate)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := sqlitex.ExecuteScript(conn, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"newer", func(t *testing.T, path string) { create(t, path, "CREATE TABLE x (y); PRAGMA user_version = 99") }, "made by a newer warren (schema 99"},
		{"foreign", func(t *testing.T, path string) { create(t, path, "CREATE TABLE x (y)") }, "another program's database"},
		{"damaged", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database at all ", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "result store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, filepath.Join(dir, sqlite.FileName))
			_, err := Open(dir, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || hint.First(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A file whose end was overwritten is reported as damaged, although SQLite has no checksums.
func TestDamageIsReported(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(2000)
	s.add(t, task, jobs)
	s.end() // into the file
	path := filepath.Join(dir, sqlite.FileName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 3; i < len(data); i++ {
		data[i] = 0xa5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	_, err = s.Jobs(t.Context(), task.ID)
	if err == nil || !strings.Contains(err.Error(), "is damaged") || hint.First(err) == "" {
		t.Errorf("got %v", err)
	}
}

// A directory may have any name.
func TestDirectoryWithSpecialCharacters(t *testing.T) {
	name := "a b?c=d&e#f%20_pragma"
	if runtime.GOOS == "windows" {
		name = strings.ReplaceAll(name, "?", "") // which Windows refuses
	}
	dir := filepath.Join(t.TempDir(), name)
	s := start(t, dir)
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	s.find(t, task.ID)
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		t.Error(err)
	}
}

// --data-dir and WARREN_DATA_DIR may be relative.
func TestRelativeDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Open("data", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
