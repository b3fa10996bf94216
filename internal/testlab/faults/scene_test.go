//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/operator"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/lab"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
)

// patience is the longest wait for what must come: heartbeats, back-off, the two minutes that a
// host waits for content, and a busy machine included.
const patience = 3 * time.Minute

// A scene is one row's world: a virtual host, agents, an operator, each behind a
// link of its own that can be broken, and the trace of what was executed.
type scene struct {
	t     *testing.T
	fault fault
	hosts []string // of the fleet
	tasks int      // that make a stage full, each for all hosts

	node       *rabbit.Node
	brokerDown bool
	direct     string // URL of the virtual host, past the links
	dir        string // HOME of all, and place of all that is below
	bin        string
	data       string // of the operator
	ledger     string
	gate       *os.File
	works      map[string]work // by command

	agentLink, operatorLink *proxy

	agents    map[string]*agent
	engine    command.Engine // an operator in this process
	prompt    *prompt        // an operator that is a process
	processes []*clitest.Process

	reader    *results.Store // drives nothing
	submitted int            // tasks
	expires   time.Duration  // of what is submitted
	heartbeat int            // in the URLs of links, in seconds; 0 leaves it to the programs
	mounts    []string
}

// An agent is a real warrend. Its process may be another one after a fault.
type agent struct {
	*clitest.Process
	scene *scene
	id    string
	args  []string
}

// A prompt is a real warren, reading commands from a pipe.
type prompt struct{ *clitest.Process }

func newScene(t *testing.T, f fault) *scene {
	dir := t.TempDir()
	s := &scene{
		t: t, fault: f, node: rabbittest.Node(t),
		dir: dir, bin: dir + "/bin", data: dir + "/operator", ledger: dir + "/ledger",
		expires: 2 * time.Minute, works: map[string]work{}, agents: map[string]*agent{}, hosts: []string{"a", "b"}, tasks: 5,
	}
	if *full {
		s.hosts, s.tasks = []string{"a", "b", "c", "d"}, 50
	}
	t.Cleanup(s.end)
	s.erlang(func(ctx context.Context) (err error) {
		s.direct, err = s.node.AddVhost(ctx, s.vhost())
		return err
	})
	s.check(clitest.Bin(s.bin))
	gate, err := os.Create(dir + "/gate")
	s.check(err)
	s.gate = gate
	s.agentLink, err = newProxy(s.address())
	s.check(err)
	s.operatorLink, err = newProxy(s.address())
	s.check(err)
	return s
}

// end takes everything down, and wants no data race in any process.
func (s *scene) end() {
	if s.engine != nil {
		s.note(s.engine.Close())
	}
	for _, p := range s.processes {
		s.note(p.Signal(os.Kill))
		_, err := p.Wait()
		s.note(err)
		if text := p.Err.String(); strings.Contains(text, "DATA RACE") {
			s.t.Error(text)
		}
	}
	if s.reader != nil {
		for job := range s.marked() {
			job.kill()
		}
		s.note(s.reader.Close())
	}
	for _, p := range []*proxy{s.agentLink, s.operatorLink} {
		if p != nil {
			p.close()
		}
	}
	if s.gate != nil {
		s.note(s.gate.Close())
	}
	for _, dir := range s.mounts {
		s.note(syscall.Unmount(dir, syscall.MNT_DETACH))
	}
}

// note reports an error that ends nothing.
func (s *scene) note(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// eventually calls try until it returns nil.
func (s *scene) eventually(try func() error) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			s.t.Fatalf("still after %s: %v", patience, err)
		}
	}
}

// address is the broker's.
func (s *scene) address() string { return fmt.Sprintf("127.0.0.1:%d", s.node.Port) }

// through is the virtual host's URL on a link.
func (s *scene) through(p *proxy) string {
	u, err := url.Parse(s.direct)
	s.check(err)
	_, port, err := net.SplitHostPort(p.addr())
	s.check(err)
	u.Host = "127.0.0.1:" + port
	if s.heartbeat > 0 {
		u.RawQuery = fmt.Sprint("heartbeat=", s.heartbeat)
	}
	return u.String()
}

// vhost is its name, for Erlang.
func (s *scene) vhost() string { return s.t.Name() }

// eval has the broker evaluate an Erlang expression.
func (s *scene) eval(format string, args ...any) (value string) {
	s.t.Helper()
	s.erlang(func(ctx context.Context) (err error) {
		value, err = s.node.Eval(ctx, fmt.Sprintf(format, args...))
		return err
	})
	return value
}

// one at a time: two erl_calls get into each other's way.
var one sync.Mutex

// erlang speaks to the broker's Erlang node, which does not answer each time on
// a busy machine.
func (s *scene) erlang(call func(ctx context.Context) error) {
	s.t.Helper()
	one.Lock()
	defer one.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	var err error
	for range 5 {
		if err = call(ctx); err == nil {
			return
		}
	}
	s.check(err)
}

// killBroker kills it; the caller restarts it. Should the row fail in between,
// the others have a broker all the same.
func (s *scene) killBroker() {
	s.t.Helper()
	s.brokerDown = true
	s.t.Cleanup(func() {
		if s.brokerDown {
			s.note(s.node.Restart(context.Background()))
		}
	})
	s.check(s.node.Kill())
}

func (s *scene) restartBroker() {
	s.t.Helper()
	s.check(s.node.Restart(s.t.Context()))
	s.brokerDown = false
}

// Agents.

// fleet starts the agents of all hosts, with the same arguments.
func (s *scene) fleet(args ...string) {
	s.t.Helper()
	for _, id := range s.hosts {
		s.agents[id] = &agent{scene: s, id: id, args: args}
	}
	s.startAgents()
}

// startAgents starts every agent at once and waits until they answer.
func (s *scene) startAgents() {
	s.t.Helper()
	for _, a := range s.agents {
		a.launch(s.through(s.agentLink))
	}
	for _, a := range s.agents {
		a.ready()
	}
	lab.PassTolerance()
}

// launch starts the agent, with what it left behind.
func (a *agent) launch(url string) {
	a.scene.t.Helper()
	p, err := clitest.LaunchAgent(a.scene.bin, url, a.scene.dir, a.id, a.args...)
	a.scene.check(err)
	a.Process = p
	a.scene.processes = append(a.scene.processes, p)
}

// ready waits until it answers to its names.
func (a *agent) ready() { a.says(1, "msg=ready") }

// says waits until its log has a text so many times.
func (a *agent) says(times int, text string) {
	a.scene.t.Helper()
	a.scene.eventually(func() error {
		if got := strings.Count(a.Err.String(), text); got < times {
			return fmt.Errorf("agent %s: %q logged %d times, want %d:\n%s", a.id, text, got, times, last(a.Err.String()))
		}
		return nil
	})
}

// last is the end of a log.
func last(s string) string { return s[max(0, len(s)-2000):] }

// recorded waits until the agent's journal has the end of so many jobs.
func (a *agent) recorded(times int) {
	a.scene.t.Helper()
	a.scene.eventually(func() error {
		text, err := os.ReadFile(filepath.Join(a.dataDir(), "journal.log"))
		if got := bytes.Count(text, []byte(`"ended":{`)); err == nil && got < times {
			err = fmt.Errorf("the journal of %s has the end of %d jobs, want %d", a.id, got, times)
		}
		return err
	})
}

// dataDir is where the agent keeps its journal.
func (a *agent) dataDir() string { return a.scene.dir + "/agent-" + a.id }

// each does something to all agents at the same time.
func (s *scene) each(do func(a *agent) error) {
	s.t.Helper()
	var g errgroup.Group
	for _, a := range s.agents {
		g.Go(func() error { return do(a) })
	}
	s.check(g.Wait())
}

// signalAgents sends a signal to all of them.
func (s *scene) signalAgents(sig os.Signal) {
	s.t.Helper()
	s.each(func(a *agent) error { return a.Signal(sig) })
}

func (s *scene) killAgents() {
	s.t.Helper()
	s.each(func(a *agent) error { return a.Kill() })
}

// Operators.

// operate makes this process the operator.
func (s *scene) operate() {
	s.t.Helper()
	s.open(s.through(s.operatorLink))
}

func (s *scene) open(url string) {
	s.t.Helper()
	e, err := operator.Open(context.Background(), cli.Settings{Broker: []string{url}, Identity: clitest.Identity(), DataDir: s.data}, true)
	s.check(err)
	s.engine = e
}

// operateByPrompt starts a warren of its own as the operator.
func (s *scene) operateByPrompt() {
	s.t.Helper()
	cmd := s.warren()
	p, err := clitest.Start(cmd, true)
	s.check(err)
	s.prompt = &prompt{p}
	s.processes = append(s.processes, p)
}

// submit gives the operator so many tasks for those hosts.
func (s *scene) submit(tasks int, hosts []string, w work, more ...func(*model.Spec)) (last model.Task) {
	s.t.Helper()
	command := s.command(w)
	if s.prompt != nil {
		for range tasks {
			_, err := fmt.Fprintf(s.prompt.In, "run '%s' --hosts %q --timeout 10m --start-timeout %s --max-output 8MiB\n", command, strings.Join(hosts, " "), s.expires)
			s.check(err)
		}
		s.submitted += tasks
		s.eventually(func() error {
			if got := strings.Count(s.prompt.Out.String(), "task on "); got < s.submitted {
				return fmt.Errorf("%d of %d tasks: %s", got, s.submitted, s.prompt.last())
			}
			return nil
		})
		return model.Task{}
	}
	spec := model.Spec{
		Command: command, Hosts: hosts, StartTimeout: s.expires,
		Run: wire.Run{Command: command, TimeoutMS: (10 * time.Minute).Milliseconds(), MaxOutput: 8 << 20},
	}
	for _, change := range more {
		change(&spec)
	}
	for range tasks {
		t, err := s.engine.Submit(s.t.Context(), spec)
		s.check(err)
		last = t
	}
	s.submitted += tasks
	return last
}

// last is what it printed last.
func (p *prompt) last() string { return last(p.Out.String()) + last(p.Err.String()) }

// store reads what any operator has stored.
func (s *scene) store() *results.Store {
	s.t.Helper()
	if s.reader == nil {
		r, err := results.Open(s.data, results.Options{})
		s.check(err)
		s.reader = r
	}
	return s.reader
}

// jobs are all jobs of all tasks.
func (s *scene) jobs() (all []model.Job) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	tasks, err := s.store().Tasks(ctx, 0)
	s.check(err)
	for _, t := range tasks {
		jobs, err := s.store().Jobs(ctx, t.ID)
		s.check(err)
		all = append(all, jobs...)
	}
	return all
}

// reached waits until n jobs are in one of those states.
func (s *scene) reached(n int, states ...model.State) {
	s.t.Helper()
	s.eventually(func() error {
		if got := s.count(states...); got < n {
			return fmt.Errorf("%d of %d jobs are %v", got, n, states)
		}
		return nil
	})
}

// count is how many jobs are in one of those states.
func (s *scene) count(states ...model.State) (n int) {
	s.t.Helper()
	for _, j := range s.jobs() {
		if slices.Contains(states, j.State) {
			n++
		}
	}
	return n
}

// settle waits until every job has an outcome, and asks once, as check_task
// does, for what is lost or whose output has not arrived.
func (s *scene) settle() {
	s.t.Helper()
	if s.engine == nil && s.prompt == nil {
		s.open(s.direct)
	}
	s.eventually(func() error {
		tasks, err := s.store().Tasks(s.t.Context(), 0)
		if err != nil {
			return err
		}
		if len(tasks) != s.submitted {
			return fmt.Errorf("%d tasks are stored, %d were submitted", len(tasks), s.submitted)
		}
		for _, t := range tasks {
			if !t.Done() {
				return fmt.Errorf("task %s: %d of %d jobs have ended", t.ID, t.Summary.Ended, t.Hosts)
			}
		}
		return nil
	})
	s.checkTasks()
}

func (s *scene) checkTasks() {
	s.t.Helper()
	asked := map[string]bool{}
	for _, j := range s.jobs() {
		if j.Outcome != wire.Lost && !j.Incomplete() || asked[j.Task] {
			continue
		}
		asked[j.Task] = true
		if s.engine == nil {
			cmd := s.warren("check_task", j.Task)
			if out, err := cmd.CombinedOutput(); err != nil {
				s.t.Logf("check_task %s: %v\n%s", j.Task, err, last(string(out))) // 1 says that it is not all well
			}
			continue
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		err := s.engine.Ask(ctx, j.Task, 5*time.Second)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("check_task %s: %v", j.Task, err)
		}
	}
}
