package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"warren/dispatcher/delivery"
	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// memory is a Store that keeps everything in memory and answers at once.
type memory struct {
	mu        sync.Mutex
	jobs      map[string]*model.Job
	progress  map[string]chan results.Progress
	updates   []results.Update
	failAdd   error
	statement string
	heard     int // what agents have said
	cancel    bool
	pause     bool
	rollout   model.Rollout
	tasks     map[string]model.Task // as added
	alive     map[string]bool       // drivers
	task      string                // added last, without a verify command's
	watchers  map[string][]chan model.Summary
	full      int // so many updates fail, as on a full disk
	checks    chan results.CheckAnswer
}

func (m *memory) Add(_ context.Context, t model.Task, jobs []model.Job) ([]<-chan results.Progress, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failAdd != nil {
		return nil, m.failAdd
	}
	if m.tasks == nil {
		m.tasks = map[string]model.Task{}
	}
	m.tasks[t.ID] = t
	var chs []<-chan results.Progress
	for _, j := range jobs {
		if t.VerifyOf == "" {
			m.task = j.Task
		}
		ch := make(chan results.Progress, 1)
		m.jobs[j.ID], m.progress[j.ID] = &j, ch
		chs = append(chs, ch)
	}
	return chs, nil
}

func (m *memory) Apply(_ context.Context, us []results.Update) (<-chan error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full > 0 {
		m.full--
		answer := make(chan error, 1)
		answer <- errors.New("disk full")
		return answer, nil
	}
	for _, u := range us {
		m.updates = append(m.updates, u)
		if j := m.jobs[u.Job]; j != nil && u.Digest != nil {
			j.Digest, j.Signed = u.Digest, u.Signed
		}
		if j := m.jobs[u.Job]; j != nil && u.Outcome != "" {
			j.State, j.Outcome, j.Reason = model.Ended, u.Outcome, u.Reason
			close(m.progress[u.Job])
			m.report(j.Task)
		}
	}
	answer := make(chan error, 1)
	answer <- nil
	return answer, nil
}

// reply does what the store does with an agent's reply.
func (m *memory) reply(job string, p results.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard++
	p.Heard = m.heard
	m.progress[job] <- p
	if j := m.jobs[job]; p.State == model.Ended {
		j.State, j.Outcome = model.Ended, p.Outcome
		if !p.OK {
			j.ExitCode = 1
		}
		m.report(j.Task)
	}
}

func (m *memory) summary(task string) model.Summary {
	sum := model.NewSummary(0)
	for _, j := range m.jobs {
		if j.Task == task {
			sum.Hosts++
			if j.State == model.Ended {
				sum.Add(j.Kind(), 1)
			}
		}
	}
	return sum
}

// report sends the counts of a task to its watchers.
func (m *memory) report(task string) {
	for _, w := range m.watchers[task] {
		select {
		case <-w:
		default:
		}
		w <- m.summary(task)
	}
}

func (m *memory) Watch(_ context.Context, task string) (<-chan model.Summary, func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watchers == nil {
		m.watchers = map[string][]chan model.Summary{}
	}
	w := make(chan model.Summary, 1)
	w <- m.summary(task)
	m.watchers[task] = append(m.watchers[task], w)
	return w, func() {}, nil
}

func (m *memory) outcome(job string) wire.Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[job].Outcome
}

func (m *memory) Follow(_ context.Context, task string) (map[string]<-chan results.Progress, func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	chs := map[string]<-chan results.Progress{}
	for id, j := range m.jobs {
		if j.Task == task && j.State != model.Ended {
			chs[id] = m.progress[id]
		}
	}
	return chs, func() {}, nil
}

func (m *memory) Jobs(_ context.Context, task string) ([]model.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var jobs []model.Job
	for _, j := range m.jobs {
		if j.Task == task {
			jobs = append(jobs, *j)
		}
	}
	slices.SortFunc(jobs, func(a, b model.Job) int { return a.Index - b.Index })
	return jobs, nil
}

func (m *memory) Find(_ context.Context, id string) (model.Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[id]
	if !ok {
		return t, results.ErrNoTask
	}
	t.Summary = m.summary(id)
	if id == m.task {
		t.Cancel, t.Pause = m.cancel, m.pause
		if t.Rollout != nil {
			r := m.rollout
			r.Stages, r.MaxFailures, r.Soak, r.OnFailure, r.Verify, r.VerifyTimeout = t.Rollout.Stages, t.Rollout.MaxFailures, t.Rollout.Soak, t.Rollout.OnFailure, t.Rollout.Verify, t.Rollout.VerifyTimeout
			t.Rollout = &r
		}
	}
	return t, nil
}

func (m *memory) HasDriver(_ context.Context, t model.Task) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive[t.Driver]
}

// A process is the store of one of several processes.
type process struct {
	*memory
	lease string
}

func (p process) Lease() string { return p.lease }

func (p process) Claim(ctx context.Context, t model.Task, r *model.Rollout) (bool, error) {
	if p.HasDriver(ctx, t) && (r == nil || t.Rollout.Pause() == nil) {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.tasks[t.ID]
	if now.Driver != t.Driver || r != nil && len(p.rollout.Events) != len(t.Rollout.Events) {
		return false, nil
	}
	now.Driver = p.lease
	p.tasks[t.ID] = now
	if r != nil {
		p.rollout, p.pause = *r, false
	}
	return true, nil
}

func (m *memory) SetRollout(_ context.Context, _ string, r model.Rollout) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rollout = r
	return nil
}

func (m *memory) Statement(context.Context, string) (string, error) { return m.statement, nil }

func (m *memory) Expect(context.Context, string, time.Time) error { return nil }

func (m *memory) ExpectChecks(_ context.Context, jobs []model.Job) (<-chan results.CheckAnswer, error) {
	m.checks = make(chan results.CheckAnswer, len(jobs))
	return m.checks, nil
}

func (m *memory) ForgetChecks(context.Context, []model.Job) error { return nil }

func (m *memory) SetControl(_ context.Context, task string, c model.Control) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full > 0 {
		return errors.New("disk full")
	}
	if task == m.task {
		m.cancel, m.pause = m.cancel || c == model.ControlCancel, m.pause || c == model.ControlPause
	}
	return nil
}

// rig runs a dispatcher in virtual time; the test is the broker and the agents.
type rig struct {
	t       *testing.T
	d       *Dispatcher
	store   *memory
	out     chan *broker.Publication
	audit   []string
	hosts   []string // in the audit log
	noAudit error
	lease   string
	stop    context.CancelFunc
	ended   chan error
}

func newRig(t *testing.T) *rig { return newRigWith(t, nil) }

func newRigWith(t *testing.T, edit func(*Dispatcher)) *rig {
	return newRigOf(t, &memory{jobs: map[string]*model.Job{}, progress: map[string]chan results.Progress{}}, edit)
}

// newRigOn is another process on the same store.
func newRigOn(t *testing.T, store *memory) *rig { return newRigOf(t, store, nil) }

func newRigOf(t *testing.T, store *memory, edit func(*Dispatcher)) *rig {
	store.mu.Lock()
	if store.alive == nil {
		store.alive = map[string]bool{}
	}
	lease := fmt.Sprintf("lease%d", len(store.alive))
	store.alive[lease] = true
	store.mu.Unlock()
	r := &rig{
		t: t, store: store, lease: lease,
		out: make(chan *broker.Publication), ended: make(chan error, 1),
	}
	caughtUp := make(chan struct{})
	close(caughtUp)
	r.d = New(Config{
		CaughtUp: caughtUp, Store: process{r.store, lease}, Out: r.out, InboxOut: r.out, ReplyTo: wire.ReplyQueue("op", "abc"), Operator: "op",
		Replies: &broker.State{Phase: broker.Up, Since: time.Now()},
		Audit: func(task *model.Task, hosts []string) error {
			r.audit, r.hosts = append(r.audit, task.ID), append(r.hosts, hosts...)
			return r.noAudit
		},
	})
	if edit != nil {
		edit(r.d)
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.ended <- r.d.Run(ctx) }()
	return r
}

func (r *rig) close() {
	r.t.Helper()
	r.stop()
	r.store.mu.Lock()
	r.store.alive[r.lease] = false
	r.store.mu.Unlock()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

func (r *rig) submit(fanout int, hosts ...string) model.Task {
	r.t.Helper()
	task, err := r.d.Submit(context.Background(), model.Spec{
		Command: "true", Hosts: hosts, StartTimeout: time.Minute, Fanout: fanout,
		Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

// take receives the next publication, and gives the broker's verdict on it.
func (r *rig) take(k broker.Kind) *broker.Publication {
	r.t.Helper()
	select {
	case p := <-r.out:
		p.Answer <- broker.Verdict{Ref: p.Ref, Kind: k}
		return p
	case <-time.After(24 * time.Hour):
		r.t.Fatal("nothing was published")
		return nil
	}
}

func (r *rig) expectNothing() {
	r.t.Helper()
	select {
	case p := <-r.out:
		r.t.Fatalf("unexpected %s", p.Msg.Type)
	case <-time.After(24 * time.Hour):
	}
}

func TestTaskReachesEachHostOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.submit(0, "a", "b", "c")
		if !slices.Contains(r.audit, task.ID) {
			t.Error("not in the audit log")
		}
		hosts := map[string]bool{}
		for range 3 {
			p := r.take(broker.Routed)
			req, err := wire.DecodeRequest(p.Msg.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := req.Agrees(p.Msg.Type, p.Msg.CorrelationId, p.Msg.ReplyTo); err != nil {
				t.Error(err)
			}
			if p.Key != wire.HostKey(req.Leaf.Host) || !p.Mandatory || p.Exchange != wire.ExchangeHosts {
				t.Errorf("published to %q %q, mandatory %v", p.Exchange, p.Key, p.Mandatory)
			}
			if string(r.store.jobs[req.Leaf.Job].Digest) != string(req.Digest[:]) {
				t.Error("the store has another digest than was sent")
			}
			hosts[req.Leaf.Host] = true
			r.store.reply(req.Leaf.Job, results.Progress{State: model.Ended, Outcome: wire.Exited})
		}
		if len(hosts) != 3 {
			t.Errorf("reached %v", hosts)
		}
		r.expectNothing()
		if err := r.d.Settled(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestWindowOfHostsSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit(2, "a", "b", "c", "d")
		var inFlight []string
		for range 2 {
			inFlight = append(inFlight, r.take(broker.Routed).Msg.CorrelationId)
		}
		for _, id := range inFlight {
			r.store.reply(id, results.Progress{State: model.Running}) // so that nothing is repeated
		}
		select {
		case p := <-r.out:
			t.Fatalf("a third host before the first has ended: %s", p.Key)
		case <-time.After(delivery.FirstStatusInterval - time.Second):
		}
		for i := range 4 {
			r.store.reply(inFlight[i], results.Progress{State: model.Ended})
			if i < 2 {
				inFlight = append(inFlight, r.take(broker.Routed).Msg.CorrelationId)
			}
		}
		r.expectNothing()
	})
}

// A window that outlives the statement gets a new signature, and the store has the new
// digest before the request leaves.
func TestLaterHostsOfWindowGetNewSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit(1, "a", "b", "c")
		first := r.take(broker.Routed)
		for range 5 { // the first host takes five minutes
			r.store.reply(first.Msg.CorrelationId, results.Progress{State: model.Running})
			time.Sleep(time.Minute / 2)
			r.take(broker.Routed) // a status, its agent being silent
		}
		r.store.reply(first.Msg.CorrelationId, results.Progress{State: model.Ended})
		for range 2 { // the second host causes a signature, the third uses it
			r.takeResigned()
		}
	})
}

// takeResigned takes a request, and checks that the store has its digest.
func (r *rig) takeResigned() {
	r.t.Helper()
	p := r.take(broker.Routed)
	req, err := wire.DecodeRequest(p.Msg.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if left := time.Until(time.UnixMilli(req.Statement.NotAfter)); left < time.Minute/2 {
		r.t.Errorf("valid for %s only", left)
	}
	r.store.mu.Lock()
	stored := slices.ContainsFunc(r.store.updates, func(u results.Update) bool {
		return u.Job == req.Leaf.Job && string(u.Digest) == string(req.Digest[:])
	})
	r.store.mu.Unlock()
	if !stored {
		r.t.Error("the store does not know the new digest")
	}
	r.store.reply(req.Leaf.Job, results.Progress{State: model.Ended, OK: true})
}

func TestUnroutedJobIsUnreachableAndSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.submit(0, "a")
		p := r.take(broker.Returned)
		if err := r.d.Settled(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
		if o := r.store.outcome(p.Msg.CorrelationId); o != wire.Unreachable {
			t.Errorf("outcome %q", o)
		}
		r.expectNothing()
	})
}

// A larger fleet that does not answer is not asked faster.
func TestRepeatsArePaced(t *testing.T) {
	t.Run("caught up", func(t *testing.T) { testPace(t, repeatInterval, nil) })
	t.Run("behind", func(t *testing.T) { testPace(t, behindRepeatInterval, func(d *Dispatcher) { d.caughtUp = nil }) })
}

func testPace(t *testing.T, every time.Duration, edit func(*Dispatcher)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, edit)
		defer r.close()
		hosts := make([]string, 2000)
		for i := range hosts {
			hosts[i] = "h" + strconv.Itoa(i)
		}
		r.submit(0, hosts...)
		for range hosts {
			r.take(broker.Routed)
		}
		begin, again := time.Now(), 0
		stop := time.After(delivery.FirstRepeatDelay + time.Second)
		for done := false; !done; {
			select {
			case p := <-r.out:
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
				again++
			case <-stop:
				done = true
			}
		}
		if most := int(time.Second / every); again < most/2 || again > most+1 {
			t.Errorf("%d requests were repeated within %s, want up to %d", again, time.Since(begin)-delivery.FirstRepeatDelay, most)
		}
	})
}

func TestVerdictIsStoredOnceFullDiskHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit(0, "a")
		r.store.full = 3
		p := r.take(broker.Returned)
		time.Sleep(2 * storeRetryDelay)
		synctest.Wait()
		if o := r.store.outcome(p.Msg.CorrelationId); o != "" {
			t.Fatalf("outcome %q on a full disk", o)
		}
		time.Sleep(2 * storeRetryDelay)
		synctest.Wait()
		if o := r.store.outcome(p.Msg.CorrelationId); o != wire.Unreachable {
			t.Errorf("outcome %q once there is room", o)
		}
	})
}

func TestRepeatedRequestIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit(0, "a")
		first := r.take(broker.Unconfirmed)
		second := r.take(broker.Routed)
		if string(first.Msg.Body) != string(second.Msg.Body) {
			t.Error("the body differs")
		}
		if a, b := first.Msg.Headers[wire.HeaderAttempt], second.Msg.Headers[wire.HeaderAttempt]; a != int32(1) || b != int32(2) {
			t.Errorf("attempts %v, %v", a, b)
		}
		r.store.reply(first.Msg.CorrelationId, results.Progress{State: model.Ended})
	})
}

func TestCancelReachesThoseInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task := r.submit(1, "a", "b")
		job := r.take(broker.Routed).Msg.CorrelationId
		r.store.reply(job, results.Progress{State: model.Running})
		synctest.Wait()
		if err := r.d.Cancel(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		p := r.take(broker.Routed)
		if p.Msg.Type != wire.TypeCancel || p.Msg.CorrelationId != job {
			t.Errorf("published %s for %s", p.Msg.Type, p.Msg.CorrelationId)
		}
		r.store.reply(job, results.Progress{State: model.Ended, Outcome: wire.Canceled})
		r.expectNothing()
		for id := range r.store.jobs {
			if o := r.store.outcome(id); id != job && o != wire.Canceled {
				t.Errorf("the host that was still waiting: %s", o)
			}
		}
	})
}

// leaveTask stores a task of another process with two unfinished jobs.
func (r *rig) leaveTask() (model.Task, []model.Job) {
	task := model.Task{
		ID: "0d8be0c5-5d5e-4a43-8d2f-9c54a1f3c1a1", Created: time.Now(), NotAfter: time.Now().Add(time.Minute),
		Timeout: time.Minute, Hosts: 2,
	}
	jobs := []model.Job{
		{ID: "1d8be0c5-5d5e-4a43-8d2f-9c54a1f3c1a1", Task: task.ID, Host: "a", State: model.Sent},
		{ID: "2d8be0c5-5d5e-4a43-8d2f-9c54a1f3c1a1", Task: task.ID, Host: "b", Index: 1, State: model.Pending},
	}
	for i := range jobs {
		jobs[i].Signed = model.Signed{Issued: task.Created, NotAfter: task.NotAfter}
	}
	if _, err := r.store.Add(context.Background(), task, jobs); err != nil {
		r.t.Fatal(err)
	}
	return task, jobs
}

func TestAskReturnsWhenAllHaveAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, jobs := r.leaveTask()
		answered := make(chan error, 1)
		go func() { answered <- r.d.Ask(context.Background(), task) }()
		var asked []string
		for range 2 {
			p := <-r.out
			if p.Msg.Type != wire.TypeStatus {
				t.Errorf("published %s", p.Msg.Type)
			}
			kind := broker.Routed
			if p.Msg.CorrelationId == jobs[1].ID {
				kind = broker.Returned // b has no agent
			}
			p.Answer <- broker.Verdict{Ref: p.Ref, Kind: kind}
			asked = append(asked, p.Msg.CorrelationId)
		}
		if slices.Sort(asked); !slices.Equal(asked, []string{jobs[0].ID, jobs[1].ID}) {
			t.Errorf("asked for %v", asked)
		}
		synctest.Wait()
		select {
		case <-answered:
			t.Fatal("it did not wait for a")
		default:
		}
		r.store.reply(jobs[0].ID, results.Progress{State: model.Running})
		if err := <-answered; err != nil {
			t.Error(err)
		}
		r.store.reply(jobs[0].ID, results.Progress{State: model.Ended})
	})
}

// An agent need not send output again that is in the store.
func TestStatusSaysWhatTheStoreHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, jobs := r.leaveTask()
		if ours, err := r.d.Adopt(context.Background(), task); err != nil || !ours {
			t.Fatal(ours, err)
		}
		var have []any
		for stop := time.After(time.Hour); len(have) < 2; {
			select {
			case p := <-r.out:
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
				if p.Msg.CorrelationId == jobs[0].ID {
					have = append(have, p.Msg.Headers[wire.HeaderHave])
					r.store.reply(jobs[0].ID, results.Progress{State: model.Running, Have: 12345})
				}
			case <-stop:
				t.Fatalf("%d requests came", len(have))
			}
		}
		if have[0] != nil || have[1] != int64(12345) {
			t.Errorf("the requests say that the operator has %v", have)
		}
	})
}

// Jobs of another process get only status requests. A job that no agent knows by its
// not-after gets one more; a silent job is lost.
func TestAdoptedTaskIsAskedForNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, jobs := r.leaveTask()
		begin := time.Now()
		if ours, err := r.d.Adopt(context.Background(), task); err != nil || !ours {
			t.Fatal(ours, err)
		}
		stop := time.After(time.Hour)
		asks, late := 0, false
		for done := false; !done; {
			select {
			case p := <-r.out:
				if p.Msg.Type != wire.TypeStatus {
					t.Fatalf("published %s", p.Msg.Type)
				}
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
				if p.Msg.CorrelationId == jobs[0].ID {
					asks++
					late = late || time.Since(begin) > time.Minute
					if asks == 1 {
						r.store.reply(jobs[0].ID, results.Progress{State: model.Sent, Unknown: true})
					} else {
						r.store.reply(jobs[0].ID, results.Progress{State: model.Ended, Outcome: wire.Expired})
					}
				}
			case <-stop:
				done = true
			}
		}
		if asks != 2 || !late {
			t.Errorf("a was asked %d times, after its not-after: %v", asks, late)
		}
		if o := r.store.outcome(jobs[1].ID); o != wire.Lost {
			t.Errorf("b: outcome %q", o)
		}
	})
}

func TestUnroutedRunAndCancelWaitInInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		task, err := r.d.Submit(context.Background(), model.Spec{
			Command: "true", Hosts: []string{"a"}, StartTimeout: 24 * time.Hour, WhenOnline: true,
			Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		if p := r.take(broker.Returned); p.Key != wire.HostKey("a") {
			t.Errorf("first to %s", p.Key)
		}
		p := r.take(broker.Routed)
		if p.Key != wire.InboxKey("a") || p.Msg.DeliveryMode != 2 || !p.Mandatory {
			t.Errorf("then to %s, mode %d", p.Key, p.Msg.DeliveryMode)
		}
		if err := r.d.Settled(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
		if err := r.d.Cancel(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		if p := r.take(broker.Returned); p.Key != wire.HostKey("a") || p.Msg.Type != wire.TypeCancel {
			t.Errorf("cancel to %s", p.Key)
		}
		if p := r.take(broker.Routed); p.Key != wire.InboxKey("a") || p.Msg.Type != wire.TypeCancel {
			t.Errorf("then to %s", p.Key)
		} else if q, err := wire.DecodeRequest(p.Msg.Body); err != nil || q.Statement.NotAfter != task.NotAfter.UnixMilli() {
			t.Errorf("a cancel that waits beside its run is valid until %d, not %s; %v", q.Statement.NotAfter, task.NotAfter, err)
		}
		r.store.reply(p.Msg.CorrelationId, results.Progress{State: model.Ended, Outcome: wire.Canceled})
		r.expectNothing()
	})
}

func TestHostWithoutInboxIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		if _, err := r.d.Submit(context.Background(), model.Spec{
			Command: "true", Hosts: []string{"a"}, StartTimeout: time.Hour, WhenOnline: true,
			Run: wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1},
		}); err != nil {
			t.Fatal(err)
		}
		r.take(broker.Returned)
		p := r.take(broker.Returned)
		r.expectNothing()
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		if j := r.store.jobs[p.Msg.CorrelationId]; j.Outcome != wire.Unreachable || !strings.Contains(j.Reason, "it has no inbox") {
			t.Errorf("outcome %q (%s)", j.Outcome, j.Reason)
		}
	})
}

func TestUnstoredTaskIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.store.failAdd = errors.New("disk full")
		_, err := r.d.Submit(context.Background(), model.Spec{
			Hosts: []string{"a"}, StartTimeout: time.Minute, Run: wire.Run{Command: "true", TimeoutMS: 1},
		})
		if err == nil || !errors.Is(err, r.store.failAdd) {
			t.Errorf("error %v", err)
		}
		r.expectNothing()
	})
}

func TestStopWithWorkInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		task := r.submit(1, "a", "b", "c")
		r.take(broker.Routed)
		r.close()
		if err := r.d.Settled(context.Background(), task.ID); !errors.Is(err, ErrStopped) {
			t.Errorf("after Run has ended: %v", err)
		}
		if _, err := r.d.Submit(context.Background(), model.Spec{
			Hosts: []string{"a"}, StartTimeout: time.Minute, Run: wire.Run{Command: "true", TimeoutMS: 1},
		}); !errors.Is(err, ErrStopped) {
			t.Errorf("submit after Run has ended: %v", err)
		}
	})
}
