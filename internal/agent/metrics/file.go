package metrics

import (
	"context"
	"log/slog"
	"os"
	"time"

	"warren/internal/agent/status"
	"warren/internal/exposition"
)

// fileInterval is how often the file is written: about as often as Prometheus usually scrapes
// node_exporter, and rarely enough for an idle agent.
const fileInterval = 30 * time.Second

// A File is the actor that writes a file for node_exporter's textfile collector.
type File struct {
	Path  string
	Agent status.Agent
	Log   *slog.Logger
}

// Run writes the file until ctx ends, and then removes it, so that its last values do not look
// like those of a running agent.
func (f *File) Run(ctx context.Context) error {
	defer os.Remove(f.Path)
	ticker := time.NewTicker(fileInterval)
	defer ticker.Stop()
	var failed bool
	changed := f.Agent.Link()
	for {
		err := exposition.WriteFile(f.Path, page(ctx, f.Agent))
		if err != nil && !failed {
			f.Log.Warn("cannot write the metrics; trying again", "error", err)
		}
		failed = err != nil
		select {
		case <-ticker.C:
		case <-changed.Changed(): // monitoring learns of a lost link at once
			changed = changed.Latest()
		case <-ctx.Done():
			return nil
		}
	}
}
