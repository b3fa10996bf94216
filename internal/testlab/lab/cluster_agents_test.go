package lab_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
	"warren/repl/command"
)

// contestedID is the id that two agents have.
const contestedID = "contested"

// TestClusterAgents has two agents, each with a node of its own, fight for one id while the
// node of the agent that has it is killed and returns. At any time one of them serves, the
// other says why it does not, and no job is executed twice. If nobody is left, the operator
// learns that the host's queue is on a node that is down.
func TestClusterAgents(t *testing.T) {
	ctx := clusterContext(t, 10*time.Minute)
	nodes, urls := startCluster(ctx, t)
	c := newContest(ctx, t, urls)
	holder := c.launch(nodes[1], "first")
	c.says(ctx, holder, "msg=ready", 1) // the first to come has the id
	other := c.launch(nodes[2], "second")
	c.says(ctx, other, "another agent answers to this id", 1)
	c.servedBy(ctx, holder)
	stop := c.load(ctx)
	for range 2 {
		ready := holder.count("msg=ready")
		if err := holder.node.Kill(); err != nil {
			t.Fatal(err)
		}
		c.says(ctx, other, "msg=ready", other.count("msg=ready")+1)
		taken := holder.count("another agent answers to this id")
		if err := holder.node.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		c.says(ctx, holder, "another agent answers to this id", taken+1)
		if got := holder.count("msg=ready"); got != ready {
			t.Errorf("the first holder took the id back: ready %d times, was %d", got, ready)
		}
		holder, other = other, holder
		c.servedBy(ctx, holder)
	}
	stop()
	c.wantOnce(ctx)
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := holder.node.Kill(); err != nil {
		t.Fatal(err)
	}
	c.wantReach(ctx, nodes[0])
}

// A contest is an operator, and the traces of what two agents execute.
type contest struct {
	t                *testing.T
	op               command.Engine
	bin, dir, ledger string
	tasks            []string
}

// A contender is an agent process that knows one node only.
type contender struct {
	*clitest.Process
	node *rabbit.Node
}

func (c *contender) count(text string) int { return strings.Count(c.Err.String(), text) }

func newContest(ctx context.Context, t *testing.T, urls []string) *contest {
	t.Helper()
	dir := t.TempDir()
	c := &contest{t: t, dir: dir, bin: dir + "/bin", ledger: dir + "/ledger"}
	if err := clitest.Bin(c.bin); err != nil {
		t.Fatal(err)
	}
	c.op = openOperator(ctx, t, urls[:1], clitest.Identity())
	if err := c.op.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *contest) launch(node *rabbit.Node, home string) *contender {
	c.t.Helper()
	p, err := clitest.LaunchAgent(c.bin, node.URL(), c.dir+"/"+home, contestedID)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = p.Kill() })
	return &contender{p, node}
}

// says waits until an agent has logged a text so many times.
func (c *contest) says(ctx context.Context, a *contender, text string, times int) {
	c.t.Helper()
	eventually(ctx, c.t, func() error {
		if got := a.count(text); got < times {
			return fmt.Errorf("%q is logged %d times, want %d:\n%s", text, got, times, a.Err.String())
		}
		return nil
	})
}

// submit sends a command that leaves a trace: its job, and the agent that runs it.
func (c *contest) submit(ctx context.Context) (task string, err error) {
	return submit(ctx, c.op, "echo $WARREN_JOB $PPID >>"+c.ledger, []string{contestedID})
}

// servedBy waits until a job has run, and wants that agent to have run it, and no other
// agent to answer.
func (c *contest) servedBy(ctx context.Context, a *contender) {
	c.t.Helper()
	eventually(ctx, c.t, func() error { // requests that were on their way may reach nobody
		task, err := c.submit(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		c.tasks = append(c.tasks, task)
		if err := done(ctx, c.op, task); err != nil {
			return err
		}
		jobs, err := c.op.Store().Jobs(ctx, task)
		if err == nil && !jobs[0].OK() {
			err = fmt.Errorf("%s: %s", jobs[0].Outcome, jobs[0].Reason)
		}
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%s %d\n", jobs[0].ID, a.PID()); !strings.Contains(c.trace(), want) {
			c.t.Fatalf("no %q in:\n%s", want, c.trace())
		}
		return nil
	})
	agents, err := c.op.Discover(ctx, 2*time.Second, func([]model.Agent, time.Duration) bool { return false })
	if err != nil || len(agents) != 1 || agents[0].Duplicates > 0 {
		c.t.Errorf("the agents that answer are %+v, %v", agents, err)
	}
}

// load submits a task five times a second, until stop is called.
func (c *contest) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan []string)
	go func() {
		var tasks []string
		for ctx.Err() == nil {
			if task, err := c.submit(ctx); err == nil {
				tasks = append(tasks, task)
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		ended <- tasks
	}()
	return func() {
		cancel()
		c.tasks = append(c.tasks, <-ended...)
	}
}

func (c *contest) trace() string {
	text, err := os.ReadFile(c.ledger)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(text)
}

// wantOnce waits until all jobs have ended, and wants each that ran to have run once.
func (c *contest) wantOnce(ctx context.Context) {
	c.t.Helper()
	kinds := map[string]int{}
	for _, task := range c.tasks {
		if err := done(ctx, c.op, task); err != nil {
			c.t.Fatal(err)
		}
		jobs, err := c.op.Store().Jobs(ctx, task)
		if err != nil {
			c.t.Fatal(err)
		}
		j := jobs[0]
		kinds[j.Kind()]++
		n := strings.Count(c.trace(), j.ID+" ")
		switch {
		case n > 1, j.OK() && n != 1:
			c.t.Errorf("job %s, %s, was executed %d times", j.ID, j.Outcome, n)
		case n > 0 && (j.Outcome == wire.Unreachable || j.Outcome == wire.Rejected):
			c.t.Errorf("job %s was executed, and is %s: %s", j.ID, j.Outcome, j.Reason)
		}
	}
	c.t.Logf("%d jobs: %v", len(c.tasks), kinds)
}

// wantReach waits until the operator's node knows that the host's node is down. RabbitMQ
// 4.3 keeps the host's queue.
func (c *contest) wantReach(ctx context.Context, operators *rabbit.Node) {
	c.t.Helper()
	version, err := operators.Eval(ctx, "list_to_atom(rabbit_misc:version()).")
	if err != nil {
		c.t.Fatal(err)
	}
	want := model.NotConnected
	if strings.HasPrefix(strings.Trim(version, "'"), "4.3") {
		want = model.NotAccepted
	}
	eventually(ctx, c.t, func() error {
		got, err := c.op.Reach(ctx, []string{contestedID}, time.Minute)
		if err == nil && got[0] != want {
			err = fmt.Errorf("RabbitMQ %s: reach %d, want %d", version, got[0], want)
		}
		return err
	})
}
