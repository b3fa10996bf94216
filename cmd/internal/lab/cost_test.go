package lab_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/cmd/internal/lab"
	"warren/executor"
	"warren/internal/broker"
	"warren/internal/rabbit/rabbittest"
	"warren/internal/results"
	"warren/internal/signing"
	"warren/internal/wire"
	"warren/repl"
)

var cost = flag.Bool("cost", false, "measure what the journal costs")

// TestJournalCost measures `true` on one warm host, with the journal on the disk
// and in memory, in turns, against one sync of the same disk.
func TestJournalCost(t *testing.T) {
	if !*cost {
		t.Skip("a measurement: make cost")
	}
	const rounds = 200
	url := rabbittest.URL(t)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	for _, c := range []executor.Config{{ID: "on-disk", DataDir: dir}, {ID: "in-memory", NoJournal: true}} {
		c.Limits.Tolerance = lab.OneClock
		c.AllowUnsigned, c.Broker = true, broker.Options{URLs: []string{url}}
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
	op := openOperator(t, url, signing.None)
	times := map[string][]time.Duration{}
	for i := range rounds + 10 {
		for _, host := range []string{"on-disk", "in-memory"} {
			d := oneRun(t, op, host)
			if i >= 10 { // warm
				times[host] = append(times[host], d)
			}
		}
		if i >= 10 {
			times["sync"] = append(times["sync"], oneSync(t, dir))
		}
	}
	median := func(what string) time.Duration {
		slices.Sort(times[what])
		return times[what][rounds/2]
	}
	disk, memory, sync := median("on-disk"), median("in-memory"), median("sync")
	bar := sync + sync/5
	t.Logf("median of %d: journal on the disk %s, in memory %s, difference %s; one sync %s, the bar %s",
		rounds, disk, memory, disk-memory, sync, bar)
	for _, what := range []string{"on-disk", "in-memory", "sync"} {
		t.Logf("%-9s min %s max %s", what, times[what][0], times[what][rounds-1])
	}
	if disk-memory > bar {
		t.Errorf("the journal costs %s, more than a sync and a fifth: %s", disk-memory, bar)
	}
}

func oneRun(t *testing.T, op repl.Engine, host string) time.Duration {
	t.Helper()
	begin := time.Now()
	task, err := op.Submit(t.Context(), results.Spec{
		Command: "true", Hosts: []string{host}, Expires: time.Minute,
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

// oneSync writes a record's worth into a file that has its size already, and
// syncs it: what one commit of any journal costs at least.
func oneSync(t *testing.T, dir string) time.Duration {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "sync"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	var took time.Duration
	for i := range 2 { // the first has the file's size and blocks to write, too
		begin := time.Now()
		if _, err := f.WriteAt([]byte{byte(i)}, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		took = time.Since(begin)
	}
	return took
}
