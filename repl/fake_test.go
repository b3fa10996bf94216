package repl

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
)

// fakeTime is when everything happens in the fake: screens are compared.
var fakeTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// created is when the fake's nth task was made; FAKE_NOW makes it now.
func created(n int) time.Time {
	if os.Getenv("FAKE_NOW") != "" {
		return time.Now()
	}
	return fakeTime.Add(time.Duration(n) * time.Second)
}

// A fakeEngine is an operator's process without a broker: a real result store,
// and agents whose answers the command and the host's name decide, at once.
type fakeEngine struct {
	dir   string
	store *results.Store
	stop  context.CancelFunc
	run   *errgroup.Group

	link      *broker.State
	connect   error
	unsettled bool         // Settled waits for its context
	asked     func()       // called by Ask and Discover, where present
	specs     chan specced // what was submitted, for tests that look; nil where none does
	rate      int64        // of the last push
}

type specced struct{ spec model.Spec }

// openFake opens a fake on the data directory; the environment variable
// FAKE_BROKER says how its broker is, FAKE_EARLIER names an agent that has answered
// before and does not now, FAKE_NOTICE has it notify the operator of what a test
// writes into a file.
func openFake(ctx context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
	e, err := newFake(settings.DataDir)
	if err != nil {
		return nil, err
	}
	if earlier := os.Getenv("FAKE_EARLIER"); earlier != "" {
		const question = "1b4e0000-0000-4000-8000-000000000000"
		err := errors.Join(
			e.store.Expect(ctx, question, time.Now().Add(time.Hour)),
			e.store.SawAgent(ctx, question, &wire.Hello{
				V: wire.Version, Agent: earlier, Names: []string{earlier}, At: 1,
				Facts: wire.Facts{OS: "linux", Arch: "amd64", Version: "0.1.0", Labels: map[string]string{"role": "web"}},
			}, ""),
		)
		if err != nil {
			return nil, err
		}
	}
	if os.Getenv("FAKE_NOTICE") != "" {
		go notifyFrom(filepath.Join(settings.DataDir, "notice"), settings.Notify)
	}
	switch os.Getenv("FAKE_BROKER") {
	case "down":
		e.connect = &broker.Error{Kind: dial.ErrUnreachable, Message: "no broker answers at 127.0.0.1:1", Hint: "is RabbitMQ running there?"}
	case "password":
		e.connect = &broker.Error{Kind: dial.ErrAccessRefused, Message: "the broker at 127.0.0.1:1 refuses user guest", Hint: "check name and password"}
	}
	if e.connect != nil {
		e.link = &broker.State{Phase: broker.Connecting, Err: e.connect}
	}
	return e, nil
}

// notifyFrom notifies the operator of each text that a test puts into the file.
func notifyFrom(path string, notify func(notice error)) {
	for range time.Tick(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_ = os.Remove(path)
		message, help, _ := strings.Cut(string(text), "\nhint: ")
		notify(hint.New(message, help))
	}
}

func newFake(dir string) (*fakeEngine, error) {
	store, err := results.Open(dir, results.Options{})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &fakeEngine{dir: dir, store: store, stop: stop, run: new(errgroup.Group), link: &broker.State{Phase: broker.Up}}
	e.run.Go(func() error { return store.Run(ctx) })
	return e, nil
}

func (e *fakeEngine) Connect(context.Context) error { return e.connect }
func (e *fakeEngine) Link() *broker.State           { return e.link }
func (e *fakeEngine) Store() command.Store          { return e.store }

func (e *fakeEngine) Transfer(string) (model.Transfer, bool) { return model.Transfer{}, false }

// Push describes the content as an operator does, and sends none.
func (e *fakeEngine) Push(ctx context.Context, spec model.Spec, content command.PushContent) (model.Task, error) {
	p := *spec.Run.Push
	source := content.Source
	p.Manifest, p.ManifestSize, p.Digest, p.Size = source.Text, int64(len(source.Text)), source.Digest[:], source.Size()
	spec.Run.Push, spec.Secret, e.rate = &p, &wire.Secret{}, content.Rate
	return e.Submit(ctx, spec)
}

func (e *fakeEngine) Submit(ctx context.Context, spec model.Spec) (model.Task, error) {
	if e.specs != nil {
		e.specs <- specced{spec}
	}
	old, err := e.store.Tasks(ctx, 0)
	if err != nil {
		return model.Task{}, err
	}
	n := len(old) + 1
	task := model.Task{
		ID:      fmt.Sprintf("%08x-0000-4000-8000-000000000000", 0x1b4e0000+n),
		Command: spec.Command, Operator: "tester",
		Created: created(n), NotAfter: fakeTime.Add(time.Hour),
		Timeout: spec.Run.Timeout(), MaxOutput: spec.Run.MaxOutput,
		Script: model.DescribeScript(&spec.Run), Stdin: model.DescribeStdin(&spec.Run),
	}
	jobs := make([]model.Job, len(spec.Hosts))
	for i, host := range spec.Hosts {
		digest := sha256.Sum256([]byte(host))
		jobs[i] = model.Job{ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", 0x1b4e0000+n, i+1), Host: host, Digest: digest[:]}
	}
	run := spec.Run
	if spec.Secret != nil {
		run.SecretHash = make([]byte, sha256.Size)
	}
	batch, err := wire.NewBatch(wire.Statement{
		Type: wire.TypeRun, Task: task.ID, Run: &run, ReplyTo: wire.ReplyQueue("tester", "abc"),
		IssuedAt: task.Created.UnixMilli(), NotAfter: task.Created.Add(spec.StartTimeout).UnixMilli(),
	}, leavesOf(jobs), nil)
	if err != nil {
		return task, err
	}
	task.Statement, _ = batch.Statement()
	task.NotAfter = task.Created.Add(spec.StartTimeout)
	task.RetryOf, task.Rollout, task.WhenOnline, task.Fanout = spec.RetryOf, spec.Rollout, spec.WhenOnline, spec.Fanout
	if _, err := e.store.Add(ctx, task, jobs); err != nil {
		return task, err
	}
	if n, ok := strings.CutPrefix(spec.Command, "release "); ok { // so many of each older task, as parity
		if err := e.release(ctx, old, n); err != nil {
			return task, err
		}
	}
	if spec.Command == "release" {
		for _, t := range old {
			if err := e.end(ctx, t, wire.Ended{Outcome: wire.Exited, ExitCode: new(int)}); err != nil {
				return task, err
			}
		}
	}
	var all []results.Update
	for i := range jobs {
		all = append(all, answers(spec.Command, &jobs[i])...)
	}
	if err := e.apply(ctx, all...); err != nil {
		return task, err
	}
	return e.store.Find(ctx, task.ID)
}

func leavesOf(jobs []model.Job) []wire.Leaf {
	leaves := make([]wire.Leaf, len(jobs))
	for i, j := range jobs {
		leaves[i] = wire.Leaf{Job: j.ID, Host: j.Host, Index: i}
	}
	return leaves
}

func (e *fakeEngine) apply(ctx context.Context, us ...results.Update) error {
	done, err := e.store.Apply(ctx, us)
	if err != nil {
		return err
	}
	return <-done
}

// release ends n jobs of each task that have not ended, all in one commit: a progress line
// never shows a part of them.
func (e *fakeEngine) release(ctx context.Context, tasks []model.Task, n string) error {
	most, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	var all []results.Update
	for _, t := range tasks {
		jobs, err := e.store.Jobs(ctx, t.ID)
		if err != nil {
			return err
		}
		left := most
		for _, j := range jobs {
			if j.State == model.Ended || left == 0 {
				continue
			}
			left--
			all = append(all, answers("parity", &j)...)
		}
	}
	return e.apply(ctx, all...)
}

// end ends the jobs of a task that have not ended.
func (e *fakeEngine) end(ctx context.Context, task model.Task, ended wire.Ended) error {
	jobs, err := e.store.Jobs(ctx, task.ID)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.State != model.Ended {
			if err := e.apply(ctx, endedUpdate(&j, ended)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *fakeEngine) Settled(ctx context.Context, _ string) error {
	if e.unsettled {
		<-ctx.Done()
	}
	return context.Cause(ctx)
}

func (e *fakeEngine) Cancel(ctx context.Context, task string) error {
	t, err := e.store.Find(ctx, task)
	if err != nil {
		return err
	}
	return errors.Join(e.store.SetControl(ctx, task, model.ControlCancel), e.end(ctx, t, wire.Ended{Outcome: wire.Canceled}))
}

func (e *fakeEngine) Rollouts() command.Rollouts { return e }

func (e *fakeEngine) Halt(context.Context, string) (bool, error) { return false, nil }

func (e *fakeEngine) Pause(ctx context.Context, task string) error {
	return e.record(ctx, task, model.Paused)
}

func (e *fakeEngine) Resume(ctx context.Context, task string) error {
	if os.Getenv("FAKE_TAKEN") != "" {
		return command.ErrTaken
	}
	return e.record(ctx, task, model.Resumed)
}

// record adds an event to a rollout.
func (e *fakeEngine) record(ctx context.Context, task, kind string) error {
	t, err := e.store.Find(ctx, task)
	if err != nil {
		return err
	}
	r := *t.Rollout
	r.Events = append(r.Events, model.Event{At: fakeTime, Kind: kind, Reason: map[string]string{model.Paused: "rollout paused by an operator"}[kind]})
	return e.store.SetRollout(ctx, task, r)
}

func (e *fakeEngine) Ask(context.Context, string, time.Duration) error {
	if e.asked != nil {
		e.asked()
	}
	return nil
}

func (e *fakeEngine) Check(_ context.Context, spec model.Spec, _ time.Duration) (checks []model.Check, err error) {
	for _, h := range spec.Hosts {
		c := model.Check{Host: h}
		switch h {
		case "web01":
			c.Answer = &wire.Checked{
				Agent: h, WouldRun: true, Rule: "/etc/warren/authorized_operators:3 (alice)", User: "root", Cwd: "/root",
				Argv: []string{"/bin/sh", "-c", spec.Run.Command}, Binary: "/bin/sh",
			}
		case "web02":
			c.Answer = &wire.Checked{Agent: h, Rule: "x:4 (alice)", Reason: "x:4 (alice): no permit-command matches: \x1b[2J"}
		default:
			c.Reason = "no agent answers to this name"
		}
		checks = append(checks, c)
	}
	return checks, nil
}

func (e *fakeEngine) Rights(_ context.Context, hosts []string, _ time.Duration) (rights []model.Rights, err error) {
	for _, h := range hosts {
		r := model.Rights{Host: h, Answer: &wire.Granted{
			Agent: h, State: wire.GrantValid, Rule: "/etc/warren/authorized_operators:3 (alice)", User: "root",
			MaxValidity: (24 * time.Hour).Milliseconds(), MaxOutput: 16 << 20,
		}}
		switch h {
		case "db1":
			r.Answer = &wire.Granted{
				Agent: h, State: wire.GrantValid, Rule: "/etc/warren/authorized_operators:4 (alice)", User: "warrend", Confined: true,
				Commands: []string{"df( -h)?", "echo \x1b[2J"}, RunAs: []string{"deploy", "web"}, Script: true, Env: []string{"LANG", "PATH"}, AnyJob: true,
				Expires: fakeTime.Add(time.Hour).UnixMilli(), MaxValidity: time.Hour.Milliseconds(), Omitted: 2,
			}
		case "files":
			r.Answer = &wire.Granted{
				Agent: h, State: wire.GrantValid, Rule: "/etc/warren/authorized_operators:5 (alice)", User: "root", Confined: true,
				Push: []string{"/etc/app/"}, Collect: []string{"/var/log/"},
			}
		case "old":
			r.Answer = &wire.Granted{Agent: h, State: wire.GrantExpired}
		case "lost":
			r.Answer = &wire.Granted{Agent: h, State: wire.GrantRevoked}
		case "foreign":
			r.Answer, r.Refused, r.Reason = nil, true, wire.NotPermitted
		case "absent":
			r.Answer, r.Reason = nil, "no agent answers to this name"
		}
		rights = append(rights, r)
	}
	return rights, nil
}

func (e *fakeEngine) Discover(ctx context.Context, _ time.Duration, _ func([]model.Agent, time.Duration) bool) ([]model.Agent, error) {
	if e.asked != nil {
		e.asked()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	at := fakeTime.UnixMilli()
	return []model.Agent{
		{Seen: fakeTime, Hello: wire.Hello{
			Agent: "web01", Names: []string{"web01", "10.0.0.1", "front1", "front2", "front3"}, Workers: 4, At: at,
			Facts: wire.Facts{
				OS: "linux", Arch: "amd64", Version: "0.1.0", Hostname: "web01", StartedAt: at - 1000, Labels: map[string]string{"role": "web", "dc": "eu"},
				Distribution: "debian", DistributionVersion: "12", Kernel: "6.1.0", Addresses: []string{"10.0.0.1", "fd00::1"}, CPUs: 8, Memory: 16 << 30, BootedAt: at - 3600_000,
			},
		}},
		{Seen: fakeTime, Hello: wire.Hello{
			Agent: "web02", Names: []string{"web02"}, Running: 3, Queued: 4, Workers: 4, At: at,
			Facts: wire.Facts{OS: "linux", Arch: "amd64", Version: "0.1.0", Hostname: "web02", StartedAt: at - 90_000},
		}},
		{Seen: fakeTime, Hello: wire.Hello{
			Agent: "db1", Names: []string{"db1", "10.0.0.7", "primary"}, Workers: 8, At: at,
			Facts:        wire.Facts{OS: "windows\x1b[2J", Arch: "arm64", Version: "0.1.0", Hostname: "DB1", Labels: map[string]string{"role": "db"}, StartedAt: at - 3*24*3600_000},
			RefusedFiles: []wire.RefusedFile{{File: wire.AuthorizedOperators, Problem: wire.FileMode, Path: "/etc/\x1b[2J", Mode: 0o775}},
		}},
	}, nil
}

// Reach is by the last digit of a host's name.
func (e *fakeEngine) Reach(_ context.Context, hosts []string, _ time.Duration) (reach []model.Reach, err error) {
	for _, h := range hosts {
		switch h[len(h)-1] {
		case '3':
			reach = append(reach, model.NotConnected)
		case '4':
			reach = append(reach, model.NotAccepted)
		default:
			reach = append(reach, model.Unanswered)
		}
	}
	return reach, nil
}

func (e *fakeEngine) Viewed(task model.Task, hosts []string) error {
	f, err := os.OpenFile(filepath.Join(e.dir, "viewed"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(f, task.ID, strings.Join(hosts, " "))
	return f.Close()
}

func (e *fakeEngine) NeedsTouch() bool { return os.Getenv("FAKE_TOUCH") != "" }

func (e *fakeEngine) Leave() {}
func (e *fakeEngine) Hurry() {}

func (e *fakeEngine) Close() error {
	e.stop()
	return errors.Join(e.run.Wait(), e.store.Close())
}

// hiddenText has one character of each kind that a terminal obeys, or that hides or
// moves text.
const hiddenText = "\x1b]0;x\a\u009b2J\u0085\x7f\u202e\u2066\u200f\u061c\u2028\ufeff\U000e0001汉字"

func endedUpdate(j *model.Job, ended wire.Ended) results.Update {
	ended.V, ended.Job = wire.Version, j.ID
	if ended.Agent == "" {
		ended.Agent = j.Host
	}
	at := fakeTime.UnixMilli()
	if ended.StartedAt == 0 && ended.Outcome != wire.Rejected {
		ended.StartedAt = at
	}
	if ended.EndedAt == 0 {
		ended.EndedAt = at + 12
	}
	return results.Update{Job: j.ID, Reply: &ended}
}

// answers is what the agent of a job's host says.
func answers(command string, j *model.Job) []results.Update {
	at := fakeTime.UnixMilli()
	code := func(n int) *int { return &n }
	whole := func(s string) *wire.Stream { return &wire.Stream{Size: int64(len(s)), Data: []byte(s)} }
	ended := func(e wire.Ended) []results.Update { return []results.Update{endedUpdate(j, e)} }
	chunk := func(stream string, offset int64, s string) results.Update {
		return results.Update{Job: j.ID, Reply: &wire.Output{Job: j.ID, Stream: stream, Offset: offset, Data: []byte(s)}}
	}
	started := results.Update{Job: j.ID, Reply: &wire.Started{V: 1, Job: j.ID, Agent: j.Host, At: at}}
	switch {
	case strings.HasPrefix(j.Host, "absent"):
		return []results.Update{{Job: j.ID, Outcome: wire.Unreachable, Reason: fmt.Sprintf("no agent answers to %q", j.Host)}}
	case strings.HasPrefix(j.Host, "lost"):
		return []results.Update{{Job: j.ID, State: model.Sent}, {Job: j.ID, Outcome: wire.Lost}}
	case strings.HasPrefix(j.Host, "silent"):
		return []results.Update{{Job: j.ID, State: model.Sent}}
	case strings.HasPrefix(j.Host, "waiting"):
		return []results.Update{{Job: j.ID, Reply: &wire.Accepted{V: 1, Job: j.ID, Agent: j.Host, At: at}}}
	case strings.HasPrefix(j.Host, "pending"):
		return nil
	}
	switch command {
	case "fail":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(3), EndedAt: at + 1234, Stdout: whole("partial"), Stderr: whole("no such thing\n")})
	case "hold":
		return []results.Update{started, chunk(wire.Stdout, 0, "begun\n")}
	case "parity": // web07 differs, web08 fails
		switch {
		case strings.HasSuffix(j.Host, "07"):
			return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), EndedAt: at + 3000, Stdout: whole("host\nLinux 6.2\nup\n"), Stderr: whole("a warning\n")})
		case strings.HasSuffix(j.Host, "08"):
			return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(1), Stdout: whole("host\nLinux 6.1\nup\n")})
		}
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), EndedAt: at + 10 + int64(j.Host[len(j.Host)-1]-'0'), Stdout: whole("host\nLinux 6.1\nup\n")})
	case "huge":
		last := endedUpdate(j, wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 1 << 20}})
		return []results.Update{started, chunk(wire.Stdout, 0, strings.Repeat("0123456789abcde\n", 1<<16)), last}
	case "huge-2", "huge-3": // too large to compare
		last := endedUpdate(j, wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 1<<20 + 7}})
		return []results.Update{started, chunk(wire.Stdout, 0, strings.Repeat("0123456789abcde\n", 1<<16)), chunk(wire.Stdout, 1<<20, command+"\n"), last}
	case "own", "own-2": // each host has a line of its own
		version := map[string]string{"own": "nginx 1.24\n", "own-2": "nginx 1.26\n"}[command]
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: whole("host " + j.Host + "\n" + version + "end\n")})
	case "linger":
		return []results.Update{started}
	case "outlier":
		if j.Host == "web0500" {
			return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), EndedAt: at + 4700, Stdout: whole("nginx/1.24.0\n")})
		}
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), EndedAt: at + 10 + int64(j.Index%7), Stdout: whole("nginx/1.26.2\n")})
	case "gbk":
		page := 0
		if strings.HasPrefix(j.Host, "win") {
			page = 936
		}
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), CodePage: page, Stdout: whole("\xd6\xf7\xbb\xfa\xd7\xb4\xcc\xac\xa3\xba\xd5\xfd\xb3\xa3 \xff\n")})
	case "gbk-valid": // on both hosts, of which only one names its code page
		page := 0
		if strings.HasPrefix(j.Host, "win") {
			page = 936
		}
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), CodePage: page, Stdout: whole("\xd6\xf7\xbb\xfa\xa3\xba\xd5\xfd\xb3\xa3\r\n")})
	case "gbk-cut": // ends within a character
		begun := &wire.Started{V: 1, Job: j.ID, Agent: j.Host, At: at, CodePage: 936}
		last := endedUpdate(j, wire.Ended{Outcome: wire.Exited, ExitCode: code(0), CodePage: 936, Stdout: &wire.Stream{Size: 7}})
		return []results.Update{{Job: j.ID, Reply: begun}, chunk(wire.Stdout, 0, "\xd6\xf7\xbb"), chunk(wire.Stdout, 3, "\xfa\r\n\xd7"), last}
	case "mixed": // GBK and UTF-8
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(1), Stdout: whole("\xd6\xf7\xbb\xfa 1\n\xd6\xf7\xbb\xfa 2\n"), Stderr: whole("磁盘已满\n")})
	case "daemon": // each host has another process id; two hosts have two
		n, _ := strconv.Atoi(strings.TrimPrefix(j.Host, "web"))
		return ended(wire.Ended{
			Outcome: wire.Exited, ExitCode: code(0), Left: 1 + n/9,
			Reason: fmt.Sprintf("1 background process keeps running: %d (java) of app", 4710+n),
		})
	case "stubborn":
		return ended(wire.Ended{Outcome: wire.TimedOut, Killed: 3, Left: 1, Reason: "still running after 2s; 1 process could not be ended and lives on: 812 (sleep) of root"})
	case "escape":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: whole("\x1b[31mred\r\nweb99  ok\n汉字")})
	case "hidden":
		text := hiddenText + strings.TrimPrefix(j.Host, "web")
		return ended(wire.Ended{Outcome: wire.Rejected, Reason: text, Request: j.Digest})
	case "hiddenoutput":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: whole(hiddenText), Stderr: whole(hiddenText)})
	case "binary":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: whole("\xff\xfe\x00"), Stderr: whole("text\n")})
	case "big":
		last := endedUpdate(j, wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 100_000_010, Dropped: 100_000_000}})
		return []results.Update{started, chunk(wire.Stdout, 0, "first"), chunk(wire.Stdout, 100_000_005, "last\n"), last}
	case "lines": // of which the last is whole
		last := endedUpdate(j, wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 1<<20 + 5, Dropped: 1 << 20}})
		return []results.Update{started, chunk(wire.Stdout, 1<<20, "a\nb\nc"), last}
	case "gone":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 50, Gone: true}})
	case "missing":
		return append([]results.Update{started, chunk(wire.Stdout, 0, "some\n")}, ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: &wire.Stream{Size: 50}})...)
	case "signal":
		return ended(wire.Ended{Outcome: wire.Signaled, Signal: "SIGSEGV"})
	case "reject":
		return ended(wire.Ended{Outcome: wire.Rejected, Reason: "queue full", Request: j.Digest})
	case "alias":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Agent: "db1"})
	case "true":
		return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0)})
	}
	return ended(wire.Ended{Outcome: wire.Exited, ExitCode: code(0), Stdout: whole("Linux " + j.Host + "\n")})
}
