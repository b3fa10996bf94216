package hostview

import (
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/target"
)

func TestHostsShowsWhenNewAgentIsReady(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		ready   time.Duration // after its answer
		seen    time.Time
		answers bool
		want    string // empty: the text does not mention it
	}{
		{"an old agent", 0, now, true, ""},
		{"a new one", 30 * time.Second, now, true, "new, ready in 30s"},
		{"a new one whose answer is a minute old", 30 * time.Second, now.Add(-time.Minute), true, ""},
		{"a new one that is offline", 30 * time.Minute, now, false, ""},
	} {
		a := target.Agent{Agent: model.Agent{Seen: c.seen, Hello: wire.Hello{At: 1_000_000}}, Answers: c.answers}
		if c.ready > 0 {
			a.ReadyAt = a.At + c.ready.Milliseconds()
		}
		text, d := answeredText(nil, &a, true), describeAgent(&a)
		if c.want == "" && strings.Contains(text, "ready") || c.want != "" && text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
		if ready := c.ready > 0 && c.seen.Equal(now); (d.ReadyAt != nil) != ready || ready && d.ReadyAt.UnixMilli() != a.ReadyAt {
			t.Errorf("%s: JSON has %v", c.name, d.ReadyAt)
		}
	}
}
