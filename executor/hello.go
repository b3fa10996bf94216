package executor

import (
	"os"
	"runtime"
	"time"

	"warren/internal/wire"
)

// hello tells who this agent is.
func (l *loop) hello(now time.Time) *wire.Hello {
	hostname, _ := os.Hostname()
	return &wire.Hello{
		Names: l.names,
		Facts: wire.Facts{
			OS: runtime.GOOS, Arch: runtime.GOARCH, Version: l.cfg.Version, Hostname: hostname,
			Labels: l.cfg.Labels, StartedAt: l.started.UnixMilli(),
		},
		Running: l.journal.running, Queued: len(l.journal.queue), Workers: l.cfg.Limits.Workers,
		At: now.UnixMilli(),
	}
}
