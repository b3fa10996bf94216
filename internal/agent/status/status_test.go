package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/executor"
	"warren/executor/stats"
	"warren/internal/broker"
	"warren/internal/translate"
	"warren/internal/wire"
)

// An agent answers with a status; with nil, its loop is stuck.
type agent struct {
	status *executor.Status
	phase  broker.Phase
}

func (a *agent) Status(ctx context.Context) (*executor.Status, error) {
	if a.status == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.status, nil
}

func (a *agent) Link() *broker.State {
	s := &broker.State{Phase: a.phase, URL: "amqp://rabbit/"}
	if a.phase != broker.Up {
		s.Err = errors.New("no broker")
	}
	return s
}

func (a *agent) Names() []string { return []string{"web01", "www"} }

// healthy is the status of an agent without a problem.
func healthy() *executor.Status {
	s := &executor.Status{Names: []string{"web01", "www", "10.0.0.5"}, Running: 2, Waiting: 1, Workers: 4, Queue: 256, JournalSize: 4711}
	s.Stats.CountEnd(wire.Exited)
	s.Stats.CountRefusal(stats.Refusal{Reason: stats.NotPermitted, Operator: "alice", Detail: "line 3"})
	s.Stats.NoteClock(time.UnixMilli(2000), time.UnixMilli(1500))
	s.Stats.Syncs.Add(3 * time.Millisecond)
	return s
}

// serve runs a server, and returns when it answers. Its directory is short, because the length of a
// socket's path is limited.
func serve(t *testing.T, a Agent) (dataDir string) {
	t.Helper()
	dataDir, err := os.MkdirTemp("", "status")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dataDir) })
	run(t, a, dataDir)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := Query(t.Context(), dataDir) // a socket that exists may not listen yet
		if err == nil {
			return dataDir
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, a Agent, dataDir string) {
	s := &Server{Source: &Source{Agent: a, DataDir: dataDir, Version: "1.2.3"}, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func query(t *testing.T, dataDir string) *Report {
	t.Helper()
	r, err := Query(t.Context(), dataDir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportOfHealthyAgent(t *testing.T) {
	dir := serve(t, &agent{healthy(), broker.Up})
	for range 300 { // monitoring may ask often
		query(t, dir)
	}
	r := query(t, dir)
	if r.State != "ok" || len(r.Problems) > 0 || r.ID != "web01" || r.Jobs.Running != 2 || r.Jobs.Waiting != 1 || r.Journal.Bytes != 4711 || *r.Clock.OffsetMS != 500 ||
		r.Refused.Counts["not_permitted"] != 1 || r.Jobs.Ended[wire.Exited] != 1 {
		text, _ := json.Marshal(r)
		t.Errorf("%s", text)
	}
	var out bytes.Buffer
	if err := r.Print(&out, nil); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"state    ok\n", "amqp://rabbit/", "web01 www 10.0.0.5", "2 running (limit 4), 1 waiting (limit 256)", "1 exited", "4.6 KiB", "500ms ahead", "not_permitted by alice: line 3"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in:\n%s", part, out.String())
		}
	}
}

func TestProblemsAreNamed(t *testing.T) {
	for want, edit := range map[Problem]func(a *agent){
		LinkDown:     func(a *agent) { a.phase = broker.Connecting },
		LinkBlocked:  func(a *agent) { a.phase = broker.Blocked },
		Stopping:     func(a *agent) { a.status.Stopping = true },
		NamesMissing: func(a *agent) { a.status.Names = []string{"web01"} },
		JournalFails: func(a *agent) { a.status.JournalErr = errors.New("disk full") },
		DiskFails:    func(a *agent) { a.status.Disk = wire.DiskFull },
		FilesRefused: func(a *agent) { a.status.RefusedFiles = []wire.RefusedFile{{Path: "/etc/x"}} },
	} {
		a := &agent{healthy(), broker.Up}
		edit(a)
		r := (&Source{Agent: a, DataDir: t.TempDir()}).Report(t.Context())
		if r.State != "degraded" || !slices.Contains(r.Problems, want) {
			t.Errorf("%s: %s %v", want, r.State, r.Problems)
		}
		var out bytes.Buffer
		if err := r.Print(&out, nil); err != nil || !strings.Contains(out.String(), problemWords[want]) {
			t.Errorf("%s: %v\n%s", want, err, out.String())
		}
	}
}

func TestLowDiskIsAProblem(t *testing.T) {
	for free, low := range map[uint64]bool{0: true, 49: true, 50: false, 1000: false} {
		r := &Report{Disk: &Disk{Free: &free, Total: new(uint64(1000))}}
		r.find(healthy())
		if slices.Contains(r.Problems, DiskLow) != low {
			t.Errorf("%d of 1000 bytes are free: %v", free, r.Problems)
		}
	}
	r := &Report{Disk: &Disk{}} // the file system does not say
	if r.find(healthy()); slices.Contains(r.Problems, DiskLow) {
		t.Errorf("%v", r.Problems)
	}
}

// The columns of a terminal are aligned in Chinese, too.
func TestReportInChinese(t *testing.T) {
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	a := &agent{healthy(), broker.Connecting}
	a.status.JournalErr = errors.New("x")
	var out bytes.Buffer
	if err := (&Source{Agent: a, DataDir: t.TempDir(), Version: "1.2.3"}).Report(t.Context()).Print(&out, chinese); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, part := range []string{"状态     降级\n", "没有连接到 broker", "2 个运行（上限 4），1 个等待（上限 256）", "1 已退出", " not_permitted，来自 alice：第 3 行\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
	out.Reset()
	a = &agent{healthy(), broker.Up}
	if err := (&Source{Agent: a, DataDir: t.TempDir(), Version: "1.2.3"}).Report(t.Context()).Print(&out, chinese); err != nil || !strings.Contains(out.String(), "状态     正常\n") {
		t.Errorf("a healthy agent: %v\n%s", err, out.String())
	}
	han := regexp.MustCompile(`\p{Han}`)
	const second = 9 // column of the second cells: journal is the longest name
	for line := range strings.Lines(text) {
		name, cell, _ := strings.Cut(line, "  ")
		cell = strings.TrimLeft(cell, " ")
		before := strings.TrimSuffix(line, cell)
		if at := len([]rune(before)) + len(han.FindAllString(before, -1)); at != second { // Han characters are wide
			t.Errorf("the text after %q begins in column %d, not in %d:\n%s", name, at, second, text)
		}
	}
}

// A refusal may have neither an operator nor a detail.
func TestRefusalWithoutDetail(t *testing.T) {
	st := healthy()
	st.Stats.CountRefusal(stats.Refusal{Reason: stats.MayHaveRun, Type: "run"})
	var out bytes.Buffer
	err := (&Source{Agent: &agent{st, broker.Up}, DataDir: t.TempDir()}).Report(t.Context()).Print(&out, nil)
	if err != nil || !regexp.MustCompile(`(?m)Z may_have_run run$`).MatchString(out.String()) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestStuckLoopIsReported(t *testing.T) {
	a := &agent{phase: broker.Up}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r := (&Source{Agent: a, DataDir: t.TempDir()}).Report(ctx)
	if r.State != "degraded" || !slices.Contains(r.Problems, Stuck) || r.Jobs != nil {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	if err := r.Print(&out, nil); err != nil || !strings.Contains(out.String(), problemWords[Stuck]) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	if _, err := Query(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	short, err := os.MkdirTemp("", "status")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	l, err := listen(short)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a killed agent leaves it
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Query(t.Context(), short); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a socket that was left behind: %v", err)
	}
	if l, err = listen(short); err != nil {
		t.Fatalf("it stays: %v", err)
	}
	_ = l.Close()
}

// Only the agent's user may read the refused requests of others.
func TestSocketIsOwnersOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the data directory has the permissions, not the modes")
	}
	dir := serve(t, &agent{healthy(), broker.Up})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{Path(dir): 0o600, filepath.Dir(Path(dir)): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

// A client that connects and does not read must not keep others from their answers for long.
func TestSilentClientDoesNotBlockOthers(t *testing.T) {
	dir := serve(t, &agent{healthy(), broker.Up})
	silent, err := net.Dial("unix", Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if r := query(t, dir); r.State != "ok" {
		t.Errorf("%+v", r)
	}
}

// An agent with a path that is too long for a socket still runs.
func TestLongDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, &agent{healthy(), broker.Up}, dir)
	if _, err := Query(t.Context(), dir); err == nil {
		t.Error("it answers")
	}
}
