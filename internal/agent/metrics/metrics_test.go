package metrics

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"warren/executor"
	"warren/executor/stats"
	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An agent answers with a status; with nil, its loop is stuck.
type agent struct {
	status *executor.Status
	asked  atomic.Int32
}

func (a *agent) Status(ctx context.Context) (*executor.Status, error) {
	a.asked.Add(1)
	if a.status == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.status, nil
}

func (*agent) Link() *broker.State { return &broker.State{Phase: broker.Up} }
func (*agent) Names() []string     { return []string{"web01", "www"} }

func busy() *agent {
	s := &executor.Status{Names: []string{"web01"}, Running: 2, Waiting: 1, HeldBack: 3, JournalSize: 4711}
	s.Stats.Sessions = 3
	s.Stats.CountEnd(wire.TimedOut)
	s.Stats.CountRefusal(stats.Refusal{Reason: stats.QueueFull})
	s.Stats.Syncs.Add(3 * time.Millisecond)
	s.Stats.Syncs.Add(time.Minute)
	return &agent{status: s}
}

// parse reads metrics as Prometheus does.
func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

// value returns the value of a metric, with a label if it has one.
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		if label == "" || m.GetLabel()[0].GetValue() == label {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Errorf("no %s %s", name, label)
	return -1
}

func serve(t *testing.T, a *agent) (url string) {
	t.Helper()
	s, err := Listen("0", a, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String() + "/metrics"
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%v, %s, %v", err, r.Status, r.Header)
	}
	return string(text)
}

func TestMetricsParse(t *testing.T) {
	families := parse(t, get(t, serve(t, busy())))
	for _, c := range []struct {
		name, label string
		want        float64
	}{
		{"warrend_build_info", "", 1},
		{"warrend_responding", "", 1},
		{"warrend_link_up", "", 1},
		{"warrend_reconnects_total", "", 2},
		{"warrend_jobs_running", "", 2},
		{"warrend_jobs_waiting", "", 4},
		{"warrend_jobs_ended_total", "timed_out", 1},
		{"warrend_jobs_ended_total", "exited", 0},
		{"warrend_requests_refused_total", "queue_full", 1},
		{"warrend_journal_bytes", "", 4711},
	} {
		if got := value(t, families, c.name, c.label); got != c.want {
			t.Errorf("%s %s is %v, want %v", c.name, c.label, got, c.want)
		}
	}
	h := families["warrend_journal_sync_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 2 || h.GetSampleSum() != 60.003 || h.GetBucket()[2].GetCumulativeCount() != 1 || h.GetBucket()[len(stats.Bounds)-1].GetCumulativeCount() != 1 {
		t.Errorf("%v", h)
	}
	for name, f := range families {
		if f.GetHelp() == "" || !strings.HasPrefix(name, "warrend_") || (f.GetType() == dto.MetricType_COUNTER) != strings.HasSuffix(name, "_total") {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestFrequentScrapesChangeNothing(t *testing.T) {
	a := busy()
	url := serve(t, a)
	first := get(t, url)
	for range 500 {
		if text := get(t, url); text != first {
			t.Fatalf("%s\nwas\n%s", text, first)
		}
	}
	if n := a.asked.Load(); n != 501 {
		t.Errorf("the loop was asked %d times", n)
	}
}

func TestStuckLoopIsAMetric(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	families := parse(t, string(page(ctx, &agent{}).Bytes()))
	if value(t, families, "warrend_responding", "") != 0 || families["warrend_jobs_running"] != nil {
		t.Errorf("%v", families)
	}
}

func TestAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"9469": "127.0.0.1:9469", ":9469": "127.0.0.1:9469", "0.0.0.0:1": "0.0.0.0:1", "[::1]:9469": "[::1]:9469", "host:80": "host:80",
		"host": "", "": "", "1:2:3": "", ":http": "", "70000": "", "-1": "",
	} {
		got, err := address(addr)
		if got != want || (err == nil) != (want != "") || err != nil && !strings.Contains(hint.Text(err), "hint: --metrics 9469") {
			t.Errorf("%q: %q, %v; want %q", addr, got, err, want)
		}
	}
}

func TestPortInUseIsAnError(t *testing.T) {
	a := busy()
	log := slog.New(slog.DiscardHandler)
	first, err := Listen("0", a, log)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	inUse := "in use"
	if runtime.GOOS == "windows" {
		inUse = syscall.Errno(10048).Error() // WSAEADDRINUSE
	}
	if _, err := Listen(first.Addr().String(), a, log); err == nil || !strings.Contains(hint.Text(err), inUse) || !strings.Contains(hint.Text(err), "hint: choose another port") {
		t.Errorf("%v", err)
	}
}

func TestFileIsWrittenAndRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warrend.prom")
	ctx, cancel := context.WithCancel(t.Context())
	f := &File{Path: path, Agent: busy(), Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	var text []byte
	for deadline := time.Now().Add(20 * time.Second); text == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no file")
		}
		text, _ = os.ReadFile(path)
	}
	if families := parse(t, string(text)); value(t, families, "warrend_jobs_running", "") != 2 {
		t.Errorf("%s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o444 != 0o444 {
		t.Errorf("others cannot read it: %v, %v", info.Mode(), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
