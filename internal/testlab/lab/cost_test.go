//go:build linux

package lab_test

import (
	"context"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"warren/executor"
	"warren/internal/agent/journal"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/operator/model"
	"warren/internal/operator/signing"
	"warren/internal/testlab/lab"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
	"warren/repl/command"
)

var cost = flag.Bool("cost", false, "measure what the journal costs")

// discard is a journal that writes nothing.
type discard struct{}

func (discard) Append(context.Context, [][]byte, journal.Mode) (<-chan journal.Answer, error) {
	answer := make(chan journal.Answer, 1)
	answer <- journal.Answer{}
	return answer, nil
}

func (d discard) Rewrite(ctx context.Context, _ iter.Seq[[]byte]) (<-chan journal.Answer, error) {
	return d.Append(ctx, nil, 0)
}

// TestJournalCost measures `true` on one warm host, with the journal on the disk
// and in memory, in turns, against one sync of the same disk: a sync in the same
// rhythm, since one that follows another at once is quicker.
func TestJournalCost(t *testing.T) {
	if !*cost {
		t.Skip("a measurement: make cost")
	}
	const rounds = 200
	url := rabbittest.URL(t)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	for _, c := range []executor.Config{{ID: "on-disk", DataDir: dir}, {ID: "in-memory", DataDir: dir, Journal: discard{}}} {
		c.Limits.Tolerance = lab.OneClock
		c.AllowUnsigned, c.Broker = true, broker.Options{Dial: dial.Options{URLs: []string{url}}}
		a, err := executor.New(c)
		if err != nil {
			t.Fatal(err)
		}
		g.Go(func() error { return a.Run(ctx) })
		for s := a.Link(); s.Phase != broker.Up; s = s.Next() {
			<-s.Changed()
		}
	}
	defer func() {
		stop()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	}()
	op, disk := openOperator(t.Context(), t, []string{url}, signing.None), newSyncer(t, dir)
	times := map[string][]time.Duration{}
	hosts := []string{"on-disk", "in-memory"}
	for i := range rounds + 10 {
		slices.Reverse(hosts) // neither is always the first
		for _, host := range hosts {
			d := oneRun(t, op, host)
			if i >= 10 { // warm
				times[host] = append(times[host], d)
			}
		}
		if i >= 10 {
			times["sync"] = append(times["sync"], disk.sync(t))
			times["sync again"] = append(times["sync again"], disk.sync(t)) // the disk is awake
		}
	}
	median := func(what string) time.Duration {
		slices.Sort(times[what])
		return times[what][rounds/2]
	}
	journal, memory, sync := median("on-disk"), median("in-memory"), median("sync")
	bar := sync + sync/5
	t.Logf("median of %d: journal on the disk %s, in memory %s, difference %s; one sync %s, the bar %s",
		rounds, journal, memory, journal-memory, sync, bar)
	for _, what := range []string{"on-disk", "in-memory", "sync", "sync again"} {
		t.Logf("%-10s median %s min %s max %s", what, median(what), times[what][0], times[what][rounds-1])
	}
	if journal-memory > bar {
		t.Errorf("the journal costs %s, more than a sync and a fifth: %s", journal-memory, bar)
	}
}

func oneRun(t *testing.T, op command.Engine, host string) time.Duration {
	t.Helper()
	begin := time.Now()
	task, err := op.Submit(t.Context(), model.Spec{
		Command: "true", Hosts: []string{host}, StartTimeout: time.Minute,
		Run: wire.Run{Argv: []string{"true"}, TimeoutMS: 60_000, MaxOutput: 1 << 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := done(t.Context(), op, task.ID); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// A syncer does what one commit of any journal costs at least: it writes a
// record's worth into room that the disk has given, and syncs that.
type syncer struct {
	file *os.File
	at   int64
}

func newSyncer(t *testing.T, dir string) *syncer {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err == nil {
		_, err = f.Write(make([]byte, 1<<20))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &syncer{file: f}
}

func (s *syncer) sync(t *testing.T) time.Duration {
	t.Helper()
	begin := time.Now()
	record := make([]byte, 512)
	if _, err := s.file.WriteAt(record, s.at); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fdatasync(int(s.file.Fd())); err != nil {
		t.Fatal(err)
	}
	s.at += int64(len(record))
	return time.Since(begin)
}
