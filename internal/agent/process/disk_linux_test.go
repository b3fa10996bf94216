package process_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"warren/internal/agent/process"
	"warren/internal/testlab/disk"
)

// A network disk whose server is gone answers nothing, and no signal frees who asks it.
func TestCommandOnASilentDisk(t *testing.T) {
	t.Parallel()
	dir := disk.Silent(t)
	directory, home, program, search := shell(t, "true"), shell(t, "true"), spec(t), spec(t)
	directory.Dir = dir
	home.Dir, home.DirOrRoot = dir, true
	program.Argv = []string{dir + "/program"}
	search.Argv, search.Env = []string{"program"}, []string{"PATH=" + dir}
	for name, s := range map[string]process.Spec{"directory": directory, "home": home, "program": program, "PATH": search} {
		started := func(process.Identity) { t.Errorf("%s: started", name) }
		s.Timeout = 100 * time.Millisecond
		r := process.Run(t.Context(), s, started, nil)
		if r.Started || r.Canceled || r.TimedOut || r.Err == nil || !strings.HasSuffix(r.Err.Error(), "the disk has not answered for 100ms") {
			t.Errorf("%s: %+v", name, r)
		}
		s.Timeout = 0
		ctx, stop := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("canceled"))
		if r := process.Run(ctx, s, started, nil); r.Started || !r.Canceled {
			t.Errorf("%s, canceled: %+v", name, r)
		}
		stop()
	}
}
