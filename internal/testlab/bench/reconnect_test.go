package bench

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	const said = `time=2026-01-31T10:00:01.000Z level=WARN msg="no link to the broker" error="no broker at 127.0.0.1:5672: connection refused" again_in=250ms
time=2026-01-31T10:00:03.000Z level=DEBUG msg="no link to the broker" error="queue \"warren.host.b-01\" is held by another connection" again_in=1s
time=2026-01-31T10:00:03.500Z level=WARN msg="no link to the broker" error="queue \"warren.host.b-17\" is held by another connection" again_in=1s
time=2026-01-31T10:00:04.000Z level=INFO msg="link to the broker is up" url=amqp://guest@127.0.0.1:5672/
time=2026-01-31T10:00:05.000Z level=WARN msg="no link to the broker" error="no broker at 127.0.0.1:5672: connection refused" again_in=1s
`
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(said), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := failures(file, time.Date(2026, 1, 31, 10, 0, 2, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	want := tally{`queue "warren.host.b-…" is held by another connection`: 2, "no broker at … connection refused": 1}
	if !maps.Equal(got, want) || got.total() != 3 {
		t.Errorf("got %v", got)
	}
}
