//go:build unix

package lab_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"warren/internal/testlab/rabbit"
)

// TestClusterMinority stops two nodes of three with SIGSTOP, so that the third has no
// majority, while one task runs and another is being sent. When the two continue, all agents
// are back within half a minute, each job has ended, and none was executed twice.
func TestClusterMinority(t *testing.T) {
	ctx := clusterContext(t, 10*time.Minute)
	nodes, urls := startCluster(ctx, t)
	f := startFleet(ctx, t, urls)
	running, err := submit(ctx, f.op, "sleep 5; echo done", f.names)
	if err != nil {
		t.Fatal(err)
	}
	awaitSome(ctx, t, f.op, running)
	stopped := nodes[1:]
	signalNodes(t, stopped, syscall.SIGSTOP)
	t.Cleanup(func() { signalNodes(t, stopped, syscall.SIGCONT) })
	sent, err := submit(ctx, f.op, "echo sent", f.names)
	if err != nil {
		t.Fatal(err)
	}
	// A heartbeat of 30 s finds a stopped node after 60 to 90 s.
	awaitUp(ctx, t, f.lab, func(up int) bool { return up < clusterHosts })
	signalNodes(t, stopped, syscall.SIGCONT)
	continued := time.Now()
	awaitUp(ctx, t, f.lab, func(up int) bool { return up == clusterHosts })
	f.answer(ctx, t)
	t.Logf("all agents answer %s after the nodes continued", time.Since(continued).Round(time.Millisecond))
	if time.Since(continued) > backWithin {
		t.Errorf("that is more than %s", backWithin)
	}
	for _, task := range []string{running, sent} {
		if err := done(ctx, f.op, task); err != nil {
			t.Fatal(err)
		}
	}
	wantAll(ctx, t, f.op, running, 0)
	away := wantAll(ctx, t, f.op, sent, clusterHosts)
	t.Logf("%d hosts were unreachable for the second task", len(away))
	f.wantExecutedOnce(ctx, t)
}

// answer submits tasks until one ends well on all hosts.
func (f fleet) answer(ctx context.Context, t *testing.T) {
	t.Helper()
	eventually(ctx, t, func() error {
		task, err := submit(ctx, f.op, "echo again", f.names)
		if err != nil {
			return err
		}
		if err := done(ctx, f.op, task); err != nil {
			return err
		}
		summary, err := f.op.Store().Find(ctx, task)
		if err == nil && summary.Summary.OK != clusterHosts {
			err = fmt.Errorf("%+v", summary.Summary)
		}
		return err
	})
}

func signalNodes(t *testing.T, nodes []*rabbit.Node, s syscall.Signal) {
	t.Helper()
	for _, n := range nodes {
		if err := syscall.Kill(n.PID(), s); err != nil {
			t.Error(err)
		}
	}
}
