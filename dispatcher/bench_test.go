package dispatcher

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// fleet is a store that keeps nothing but the channels: what is measured is the
// dispatcher.
type fleet struct {
	*memory
	ends map[string]chan results.Progress
}

func (f *fleet) Lease() string { return "lease" }

func (f *fleet) Claim(context.Context, model.Task, *model.Rollout) (bool, error) { return false, nil }

func (f *fleet) Add(_ context.Context, _ model.Task, jobs []model.Job) (chs []<-chan results.Progress, _ error) {
	for _, j := range jobs {
		ch := make(chan results.Progress, 1)
		f.ends[j.ID] = ch
		chs = append(chs, ch)
	}
	return chs, nil
}

func (f *fleet) Apply(context.Context, []results.Update) (<-chan error, error) {
	answer := make(chan error, 1)
	answer <- nil
	return answer, nil
}

// One task at 10,000 hosts, all of them under way at the same time: time, and the
// memory that each takes meanwhile.
func BenchmarkFleet(b *testing.B) {
	const n = 10_000
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("host%05d", i)
	}
	out := make(chan *broker.Publication)
	f := &fleet{ends: map[string]chan results.Progress{}}
	caughtUp := make(chan struct{})
	close(caughtUp)
	d := New(Config{
		CaughtUp: caughtUp, Store: f, Out: out, ReplyTo: wire.ReplyQueue("op", "abc"), Operator: "op",
		Replies: &broker.State{Phase: broker.Up, Since: time.Now()},
		Audit:   func(*model.Task, []string) error { return nil },
	})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var stacks, heap float64
	b.ResetTimer()
	for range b.N {
		var before, during runtime.MemStats
		b.StopTimer()
		clear(f.ends)
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		task, err := d.Submit(ctx, model.Spec{
			Command: "true", Hosts: hosts, StartTimeout: time.Minute,
			Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
		})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			p := <-out
			p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&during)
		stacks += float64(during.StackInuse-before.StackInuse) / n
		heap += float64(during.HeapAlloc-before.HeapAlloc) / n
		b.StartTimer()
		for _, ch := range f.ends {
			ch <- results.Progress{State: model.Ended, OK: true}
			close(ch)
		}
		if err := d.Settled(ctx, task.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "us/job")
	b.ReportMetric(stacks/float64(b.N), "stack-B/job")
	b.ReportMetric(heap/float64(b.N), "heap-B/job")
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
