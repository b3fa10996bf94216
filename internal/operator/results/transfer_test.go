package results

import (
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Whoever watches a transfer learns what hosts have asked for before, and at once when a host
// wants more. Hosts that have ended are not in it.
func TestWatchTransfer(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(3)
	s.add(t, task, jobs)
	transfer := func(i int, wanted, received int64) Update {
		return Update{Job: jobs[i].ID, Reply: &wire.Transfer{V: 1, Job: jobs[i].ID, Agent: jobs[i].Host, Wanted: wanted, Received: received, At: 1}}
	}
	s.apply(t, transfer(0, 100, 0))
	transfers, stop, err := WatchTransfer(t.Context(), s.Store, task.ID, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := func(wanted int64, hosts ...model.HostTransfer) {
		t.Helper()
		got := <-transfers
		if got.Wanted != wanted || len(got.Hosts) != len(hosts) {
			t.Fatalf("%+v, want %d bytes for %+v", got, wanted, hosts)
		}
		for _, h := range hosts {
			found := false
			for _, g := range got.Hosts {
				found = found || g == h
			}
			if !found {
				t.Errorf("%+v, want %+v", got.Hosts, h)
			}
		}
	}
	first := model.HostTransfer{Host: jobs[0].Host, Job: jobs[0].ID, Wanted: 100}
	want(100, first)
	s.apply(t, transfer(1, 500, 0))
	want(500, first, model.HostTransfer{Host: jobs[1].Host, Job: jobs[1].ID, Wanted: 500})
	foreign := transfer(1, 900, 0)
	foreign.Reply.(*wire.Transfer).Agent = "evil"
	s.apply(t, foreign, transfer(0, 100, 50))
	zero := 0
	s.apply(t, Update{Job: jobs[1].ID, Reply: &wire.Ended{V: 1, Job: jobs[1].ID, Agent: jobs[1].Host, Outcome: wire.Exited, ExitCode: &zero, EndedAt: 1}})
	s.apply(t, transfer(2, 600, 0))
	want(600, model.HostTransfer{Host: jobs[0].Host, Job: jobs[0].ID, Received: 50, Wanted: 100}, model.HostTransfer{Host: jobs[2].Host, Job: jobs[2].ID, Wanted: 600})
	if got := s.job(t, jobs[0]).State; got != model.Running {
		t.Errorf("a host that receives content is %s", got)
	}
	stop()
	if _, ok := <-transfers; ok {
		t.Error("the channel is open")
	}
}
