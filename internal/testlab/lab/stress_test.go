package lab_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/agent/process"
	"warren/internal/operator"
	"warren/internal/operator/model"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/lab"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// A ledger counts executions on the hosts, by job.
type ledger struct {
	mu   sync.Mutex
	runs map[string]int
}

// counting notes each execution before it happens.
func (l *ledger) counting(run process.Runner) process.Runner {
	return func(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
		job := strings.TrimPrefix(s.Mark, "WARREN_JOB=")
		l.mu.Lock()
		l.runs[job]++
		l.mu.Unlock()
		return run(ctx, s, started, out)
	}
}

func openOperator(ctx context.Context, t *testing.T, urls []string, identity string) command.Engine {
	t.Helper()
	op, err := operator.Open(ctx, cli.Settings{Broker: urls, Identity: identity, DataDir: t.TempDir()}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := op.Close(); err != nil {
			t.Error(err)
		}
	})
	return op
}

// done waits until every job of a task has an outcome.
func done(ctx context.Context, op command.Engine, task string) error {
	changes, unwatch, err := op.Store().Watch(ctx, task)
	if err != nil {
		return err
	}
	defer unwatch()
	for {
		select {
		case s, ok := <-changes:
			if !ok {
				return fmt.Errorf("the store has stopped")
			}
			if s.Ended == s.Hosts {
				return nil
			}
		case <-ctx.Done():
			t, _ := op.Store().Find(context.WithoutCancel(ctx), task)
			return fmt.Errorf("task %s: %+v: %w", task, t.Summary, ctx.Err())
		}
	}
}

var stressTasks = flag.Int("tasks", 5, "run this many tasks at the same time in TestStress")

// TestStress runs 5 tasks at the same time on 500 hosts, and 20 with make stress: 10,000 jobs.
// Each is executed once and has one outcome. goleak in Main checks that nothing is left.
func TestStress(t *testing.T) {
	const hosts = 500
	tasks := *stressTasks
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute) // a busy machine takes ten times as long
	defer cancel()
	names := make([]string, hosts)
	for i := range names {
		names[i] = fmt.Sprintf("stress%03d", i+1)
	}
	executed := ledger{runs: map[string]int{}}
	l, err := lab.Start(ctx, lab.Config{
		Hosts: names, Broker: rabbittest.URL(t), InProcess: true, Runner: executed.counting(process.Run),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	}()
	op := openOperator(ctx, t, []string{l.URL}, l.Identity)
	begin := time.Now()
	var g errgroup.Group
	ids := make([]string, tasks)
	for i := range ids {
		g.Go(func() error {
			task, err := op.Submit(ctx, model.Spec{
				Command: "true", Hosts: names, StartTimeout: 20 * time.Minute,
				Run: wire.Run{Argv: []string{"true"}, TimeoutMS: 1_200_000, MaxOutput: 1 << 10},
			})
			ids[i] = task.ID
			if err != nil {
				return err
			}
			return done(ctx, op, task.ID)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d jobs in %s", tasks*hosts, time.Since(begin).Round(time.Millisecond))
	total := 0
	for _, id := range ids {
		jobs, err := op.Store().Jobs(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			total++
			if !j.OK() {
				t.Errorf("%s on %s: %s %s %s", j.ID, j.Host, j.State, j.Outcome, j.Reason)
			}
			if n := executed.runs[j.ID]; n != 1 {
				t.Errorf("%s on %s: executed %d times", j.ID, j.Host, n)
			}
		}
	}
	if total != tasks*hosts || len(executed.runs) != total {
		t.Errorf("%d jobs stored, %d executed, want %d", total, len(executed.runs), tasks*hosts)
	}
}
