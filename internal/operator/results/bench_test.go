package results

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
)

// BenchmarkApply applies one update with a little output to each of 10,000 jobs, one by
// one, as the receiver of replies does.
func BenchmarkApply(b *testing.B) {
	const jobs = 10_000
	s := start(b, b.TempDir())
	for b.Loop() {
		b.StopTimer()
		t, js := newTask(jobs)
		if _, err := s.Add(b.Context(), t, js); err != nil {
			b.Fatal(err)
		}
		updates := make([]Update, jobs)
		for i, j := range js {
			updates[i] = Update{Job: j.ID, Reply: exited(j, 0, "Linux web01 6.1.0 x86_64 GNU/Linux\n")}
		}
		b.StartTimer()
		answers := make([]<-chan error, jobs)
		for i := range updates {
			answers[i] = s.queue(b, updates[i])
		}
		for _, a := range answers {
			if err := <-a; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(jobs)*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkAdd stores a task of 10,000 jobs.
func BenchmarkAdd(b *testing.B) {
	s := start(b, b.TempDir())
	for b.Loop() {
		t, js := newTask(10_000)
		if _, err := s.Add(b.Context(), t, js); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJobs reads the jobs of a task of 10,000 hosts.
func BenchmarkJobs(b *testing.B) {
	s := start(b, b.TempDir())
	t, js := newTask(10_000)
	s.add(b, t, js)
	for b.Loop() {
		got, err := s.Jobs(b.Context(), t.ID)
		if err != nil || len(got) != len(js) {
			b.Fatal(len(got), err)
		}
	}
}

// BenchmarkOutputs reads all output of a task of 10,000 jobs.
func BenchmarkOutputs(b *testing.B) {
	s := start(b, b.TempDir())
	t, js := newTask(10_000)
	s.add(b, t, js)
	var us []Update
	for i, j := range js {
		us = append(us, Update{Job: j.ID, Reply: exited(j, 0, fmt.Sprintf("line of %d\n", i))})
	}
	s.apply(b, us...)
	for b.Loop() {
		n := 0
		for _, err := range s.Outputs(b.Context(), t.ID) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != len(js) {
			b.Fatal(n)
		}
	}
}

// BenchmarkStreaming applies chunks of 32 KiB of one job, also beyond its limit.
func BenchmarkStreaming(b *testing.B) {
	s := start(b, b.TempDir())
	t, js := newTask(1)
	s.add(b, t, js)
	data := make([]byte, 32<<10)
	b.SetBytes(int64(len(data)))
	var at int64
	for b.Loop() {
		s.apply(b, Update{Job: js[0].ID, Reply: &wire.Output{Job: js[0].ID, Stream: wire.Stdout, Offset: at, Data: data}})
		at += int64(len(data))
	}
}

// BenchmarkBatch applies 100 replies in one transaction.
func BenchmarkBatch(b *testing.B) {
	const replies = 100
	s := start(b, b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		t, js := newTask(replies)
		s.add(b, t, js)
		updates := make([]Update, replies)
		for i, j := range js {
			updates[i] = Update{Job: j.ID, Reply: exited(j, 0, "Linux web01 6.1.0 x86_64 GNU/Linux\n")}
		}
		b.StartTimer()
		s.apply(b, updates...)
	}
}

// BenchmarkQuick is what a quick command on one host waits for: Add of its task and Apply
// of its one reply.
func BenchmarkQuick(b *testing.B) {
	s := start(b, b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		t, js := newTask(1)
		s.add(b, t, js)
		s.apply(b, Update{Job: js[0].ID, Reply: exited(js[0], 0, "Linux web01 6.1.0 x86_64 GNU/Linux\n")})
	}
}

// BenchmarkFleet adds a task of 1000 quick jobs, watches it and applies its replies 8 by 8.
func BenchmarkFleet(b *testing.B) {
	const jobs, together = 1000, 8
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	benchFleet(b, newActor(s), jobs, together)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(jobs*b.N), "us/job")
}

func benchFleet(b *testing.B, a *actor, jobs, together int) {
	for b.Loop() {
		t, js := newTask(jobs)
		if _, err := a.addTask(t, js); err != nil {
			b.Fatal(err)
		}
		w, err := a.watch(t.ID)
		if err != nil {
			b.Fatal(err)
		}
		for some := range slices.Chunk(js, together) {
			us := make([]Update, len(some))
			for i, j := range some {
				us[i] = Update{Job: j.ID, Reply: exited(j, 0, "Linux web01 6.1.0 x86_64 GNU/Linux\n")}
			}
			answer := make(chan error, 1)
			var batch batch
			batch.add(&applying{us, answer})
			a.commit(&batch)
			if err := <-answer; err != nil {
				b.Fatal(err)
			}
		}
		if sum := <-w.ch; sum.OK != jobs {
			b.Fatal(sum)
		}
		a.unwatch(w)
	}
}

// BenchmarkHellos stores the answers of 10,000 agents to a discover.
func BenchmarkHellos(b *testing.B) {
	s := start(b, b.TempDir())
	for b.Loop() {
		discover := uuid.NewString()
		if err := s.Expect(b.Context(), discover, time.Now().Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
		for i := range 10_000 {
			if err := s.SawAgent(b.Context(), discover, hello(fmt.Sprintf("web%05d", i), 1), "agent"); err != nil {
				b.Fatal(err)
			}
		}
	}
}
