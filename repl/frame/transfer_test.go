package frame

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/result"
)

// noFiles is a collect whose hosts send so many bytes at most; 0: they have not said it.
type noFiles struct{ size int64 }

func (noFiles) Host(context.Context, *model.Job) (*result.Collected, error) {
	return new(result.Collected), nil
}
func (n noFiles) Size(context.Context, *model.Job) (int64, bool) { return n.size, n.size > 0 }
func (noFiles) Text([sha256.Size]byte) (string, bool)            { return "", false }

// The live view of a collect names the hosts of which the fewest bytes have arrived, not those
// that have run longest.
func TestLiveViewOfCollectNamesHostsThatAreBehind(t *testing.T) {
	now := time.Now()
	task := model.Task{ID: "1b4e28ba-2fa1-4d2b-883f-0016d3cca427", Hosts: 3, Created: now.Add(-2 * time.Second)}
	tr := result.NewTracker(&result.View{Collect: noFiles{}}, task)
	tr.Jobs = []model.Job{
		{Index: 0, Host: "web01", State: model.Running, Stdout: model.Output{Kept: 3 << 20}, Started: now.Add(-time.Second)},
		{Index: 1, Host: "web02", State: model.Running, Stdout: model.Output{Kept: 1 << 20}},
		{Index: 2, Host: "web03", State: model.Ended, Outcome: wire.Exited, Stdout: model.Output{Kept: 1 << 10}},
	}
	for _, c := range []struct {
		files noFiles
		want  string
	}{
		{noFiles{}, "received 4.0 MiB, 2.0 MiB/s; slowest: web02 1.0 MiB, web01 3.0 MiB\n"},
		{noFiles{4 << 20}, "received 4.0 MiB of at most 8.0 MiB, 2.0 MiB/s, at most 2.0s left\nslowest: web02 1.0 MiB, web01 3.0 MiB\n"},
	} {
		tr.View.Collect = c.files
		var text []string
		for _, line := range Of(tr, tr.Received(t.Context(), now), false, nil, nil, 100, 24, now) {
			text = append(text, line.Plain)
		}
		all := strings.Join(text, "\n")
		if !strings.Contains(all+"\n", c.want) || strings.Count(all, "slowest") != 1 {
			t.Errorf("the frame:\n%s\nwant %s", all, c.want)
		}
	}
}
