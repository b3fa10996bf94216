package lab_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/internal/agent/process"
	"warren/internal/operator/model"
	"warren/internal/testlab/lab"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
	"warren/repl/command"
)

var cluster = flag.Bool("cluster", false, "kill the nodes of a cluster")

const (
	clusterNodes = 3
	clusterHosts = 60

	// backWithin is what an agent may take to come back by another node.
	backWithin = 30 * time.Second
)

// TestCluster kills a node of three, without warning, while a task runs: the one
// that only agents are connected to, and then the operator's. Each job that was under
// way is executed once and has its result, and the agents are back within half a minute.
// Of a task that is sent meanwhile a host may be unreachable, where the broker knows
// already that its queue is gone: then it has executed nothing, and a second task
// reaches it.
func TestCluster(t *testing.T) {
	ctx := clusterContext(t, 10*time.Minute)
	nodes, urls := startCluster(ctx, t)
	f := startFleet(ctx, t, urls)
	for _, victim := range []struct {
		name string
		node *rabbit.Node
	}{{"agents' node", nodes[1]}, {"operator's node", nodes[0]}} {
		t.Run(victim.name, func(t *testing.T) {
			killDuringTask(ctx, t, f.lab, f.op, victim.node, f.names)
		})
	}
	f.wantExecutedOnce(ctx, t)
}

// clusterContext skips a test without -cluster, and ends its context after a time.
func clusterContext(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	if !*cluster {
		t.Skip("takes minutes: make cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// A fleet is clusterHosts agents, whose first nodes differ, and an operator.
type fleet struct {
	lab      *lab.Lab
	op       command.Engine
	names    []string
	executed *ledger
}

func startFleet(ctx context.Context, t *testing.T, urls []string) fleet {
	t.Helper()
	names := make([]string, clusterHosts)
	for i := range names {
		names[i] = fmt.Sprintf("cluster%02d", i+1)
	}
	executed := &ledger{runs: map[string]int{}}
	l, err := lab.Start(ctx, lab.Config{
		Hosts: names, Broker: strings.Join(urls, ","), InProcess: true, Workers: clusterHosts, Runner: executed.counting(process.Run),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	op := openOperator(ctx, t, urls, l.Identity)
	if err := op.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return fleet{lab: l, op: op, names: names, executed: executed}
}

// wantExecutedOnce checks that each job was executed once, and not at all on a host that
// was unreachable.
func (f fleet) wantExecutedOnce(ctx context.Context, t *testing.T) {
	t.Helper()
	tasks, err := f.op.Store().Tasks(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.executed.mu.Lock()
	defer f.executed.mu.Unlock()
	for _, task := range tasks {
		jobs, err := f.op.Store().Jobs(ctx, task.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			want := 1
			if j.Outcome == wire.Unreachable {
				want = 0
			}
			if n := f.executed.runs[j.ID]; n != want {
				t.Errorf("the job of %s, %s, was executed %d times", j.Host, j.Outcome, n)
			}
		}
	}
}

// killDuringTask kills the node while a task runs and another is being sent, and
// starts it again.
func killDuringTask(ctx context.Context, t *testing.T, l *lab.Lab, op command.Engine, node *rabbit.Node, names []string) {
	running, err := submit(ctx, op, "sleep 5; echo done", names)
	if err != nil {
		t.Fatal(err)
	}
	awaitSome(ctx, t, op, running)
	killed := time.Now()
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	sent, err := submit(ctx, op, "echo sent", names)
	if err != nil {
		t.Fatal(err)
	}
	awaitUp(ctx, t, l, func(up int) bool { return up < clusterHosts })
	awaitUp(ctx, t, l, func(up int) bool { return up == clusterHosts })
	back := time.Since(killed)
	t.Logf("all agents are back after %s", back.Round(time.Millisecond))
	if back > backWithin {
		t.Errorf("that is more than %s", backWithin)
	}
	for _, task := range []string{running, sent} {
		if err := done(ctx, op, task); err != nil {
			t.Fatal(err)
		}
	}
	wantAll(ctx, t, op, running, 0)
	away := wantAll(ctx, t, op, sent, clusterHosts/clusterNodes)
	t.Logf("%d hosts were away as the second task was sent", len(away))
	if len(away) > 0 {
		again, err := submit(ctx, op, "echo again", away)
		if err != nil {
			t.Fatal(err)
		}
		if err := done(ctx, op, again); err != nil {
			t.Fatal(err)
		}
		wantAll(ctx, t, op, again, 0)
	}
	if err := node.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	returned, err := submit(ctx, op, "echo returned", names)
	if err != nil {
		t.Fatal(err)
	}
	if err := done(ctx, op, returned); err != nil {
		t.Fatal(err)
	}
	wantAll(ctx, t, op, returned, 0)
}

// wantAll fails the test unless all jobs of a task ended well, but for as many hosts
// that were away, which it returns.
func wantAll(ctx context.Context, t *testing.T, op command.Engine, task string, mayBeAway int) (away []string) {
	t.Helper()
	jobs, err := op.Store().Jobs(ctx, task)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		switch {
		case j.OK():
		case j.Outcome == wire.Unreachable:
			away = append(away, j.Host)
		default:
			t.Errorf("%s: %s %s", j.Host, j.Outcome, j.Reason)
		}
	}
	if len(away) > mayBeAway {
		t.Errorf("%d hosts were unreachable, of which %d may be", len(away), mayBeAway)
	}
	return away
}

func startCluster(ctx context.Context, t *testing.T) (nodes []*rabbit.Node, urls []string) {
	t.Helper()
	var first *rabbit.Node
	for range clusterNodes {
		n, err := rabbit.Start(ctx, rabbit.Config{Join: first})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // the last first: it has the first one's epmd
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		})
		if first == nil {
			first = n
		}
		nodes, urls = append(nodes, n), append(urls, n.URL())
	}
	eventually(ctx, t, func() error { // a node accepts clients before all others see it
		members, err := first.Members(ctx)
		if err == nil && members != clusterNodes {
			err = fmt.Errorf("the cluster has %d nodes", members)
		}
		return err
	})
	return nodes, urls
}

func submit(ctx context.Context, op command.Engine, command string, hosts []string) (string, error) {
	task, err := op.Submit(ctx, model.Spec{
		Command: command, Hosts: hosts, StartTimeout: 5 * time.Minute,
		Run: wire.Run{Command: command, TimeoutMS: 60_000, MaxOutput: 1 << 10},
	})
	return task.ID, err
}

// awaitSome waits until half of a task's jobs are known to run.
func awaitSome(ctx context.Context, t *testing.T, op command.Engine, task string) {
	t.Helper()
	eventually(ctx, t, func() error {
		jobs, err := op.Store().Jobs(ctx, task)
		n := 0
		for _, j := range jobs {
			if j.State == model.Running {
				n++
			}
		}
		if err == nil && n < len(jobs)/2 {
			err = fmt.Errorf("%d of %d jobs run", n, len(jobs))
		}
		return err
	})
}

func awaitUp(ctx context.Context, t *testing.T, l *lab.Lab, enough func(int) bool) {
	t.Helper()
	eventually(ctx, t, func() error {
		if up := l.Up(); !enough(up) {
			return fmt.Errorf("%d agents are connected", up)
		}
		return nil
	})
}

func eventually(ctx context.Context, t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(errors.Join(ctx.Err(), err))
		}
	}
}
