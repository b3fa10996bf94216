//go:build linux

package faults

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/files"
	"warren/internal/operator/model"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
	"warren/repl/command"
)

const (
	pushSize = 2 << 20
	pushRate = 512 << 10 // the first half MiB is sent at once
)

// A pushed is the file of a row, and what it was before.
type pushed struct {
	scene    *scene
	target   string
	old, new []byte
	lease    *os.File // nil: none
}

// push submits a push to the one host of the scene.
func (s *scene) push(held bool) *pushed {
	s.t.Helper()
	p := &pushed{scene: s, target: filepath.Join(s.dir, "host", "file"), old: []byte("old"), new: make([]byte, pushSize)}
	_, _ = rand.Read(p.new) // never fails
	source := filepath.Join(s.dir, "source")
	s.check(os.Mkdir(filepath.Dir(p.target), 0o700))
	s.check(errors.Join(os.WriteFile(p.target, p.old, 0o600), os.WriteFile(source, p.new, 0o600)))
	rate, limit := pushRate, fmt.Sprintf("--rate %d", pushRate)
	if held {
		rate, limit = 0, ""
		p.hold()
	}
	s.submitted++
	if s.prompt != nil {
		_, err := fmt.Fprintf(s.prompt.In, "push %s --to %s --hosts %s %s\n", source, p.target, s.hosts[0], limit)
		s.check(err)
		s.eventually(func() error {
			if !strings.Contains(s.prompt.Out.String(), "task on ") {
				return fmt.Errorf("no task: %s", s.prompt.last())
			}
			return nil
		})
		return p
	}
	src, err := files.Scan([]string{source}, false)
	s.check(err)
	spec := model.Spec{
		Command: pushCommand + p.target, Hosts: s.hosts, StartTimeout: s.expires,
		Run: wire.Run{Push: &wire.Push{Path: p.target}, TimeoutMS: (10 * time.Minute).Milliseconds(), MaxOutput: 1 << 20},
	}
	_, err = s.engine.Push(s.t.Context(), spec, command.PushContent{Source: src, Rate: int64(rate)})
	s.check(err)
	return p
}

// pushCommand begins the command of each push.
const pushCommand = "push "

// begins counts, by job, how often agents have begun it.
func (s *scene) begins() map[string]int {
	count := map[string]int{}
	for _, p := range s.processes {
		for line := range strings.Lines(p.Err.String()) {
			_, rest, found := strings.Cut(line, "msg=began job=")
			if job, _, _ := strings.Cut(rest, " "); found {
				count[job]++
			}
		}
	}
	return count
}

// hold lets the push write everything, but not rename: it reads the label of the file that
// it replaces, and a lease (fcntl(2)) makes whoever opens the file wait for 45 s at most.
func (p *pushed) hold() {
	p.scene.t.Helper()
	f, err := os.OpenFile(p.target, os.O_RDWR, 0)
	p.scene.check(err)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	p.scene.check(err)
	p.lease = f
}

func (p *pushed) letGo() {
	p.scene.t.Helper()
	p.scene.check(p.lease.Close())
	p.lease = nil
}

// staged waits until the push waits for the lease.
func (p *pushed) staged() {
	p.scene.t.Helper()
	p.scene.eventually(func() error {
		kind, err := unix.FcntlInt(p.lease.Fd(), unix.F_GETLEASE, 0)
		if err == nil && kind == unix.F_WRLCK {
			err = errors.New("the push has not come to the rename")
		}
		return err
	})
	if temp := p.temp(); len(temp) != 1 || temp[0] != pushSize {
		p.scene.t.Errorf("staged files of %d bytes, want one of %d", temp, pushSize)
	}
}

// temp returns the sizes of what is written under temporary names.
func (p *pushed) temp() (sizes []int64) {
	names, err := filepath.Glob(filepath.Join(filepath.Dir(p.target), ".warren-push-*"))
	p.scene.note(err)
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			sizes = append(sizes, info.Size())
		}
	}
	return sizes
}

// midway waits until a part of the content is written.
func (p *pushed) midway() {
	p.scene.t.Helper()
	p.scene.eventually(func() error {
		if sizes := p.temp(); len(sizes) != 1 || sizes[0] == 0 {
			return fmt.Errorf("staged files: %d", sizes)
		}
		return nil
	})
	if sizes := p.temp(); len(sizes) != 1 || sizes[0] == pushSize {
		p.scene.t.Errorf("staged files of %d bytes: not midway", sizes)
	}
}

// is wants the target to be whole: the old file, or the new one.
func (p *pushed) is(want []byte) error {
	got, err := os.ReadFile(p.target)
	switch {
	case err != nil:
		return err
	case bytes.Equal(got, want):
		return nil
	case bytes.Equal(got, p.old):
		return errors.New("the target is the old file")
	case bytes.Equal(got, p.new):
		return errors.New("the target is the new file")
	}
	return fmt.Errorf("the target is neither the old file nor the new one: %d bytes", len(got))
}

// noStream wants nothing left in the broker, nor a record of it.
func (s *scene) noStream() {
	s.t.Helper()
	s.eventually(func() error {
		count := s.eval(`length([Q || Q <- rabbit_amqqueue:list(<<"%s">>), binary:match(element(4, amqqueue:get_name(Q)), <<"warren.file.">>) =/= nomatch]).`, s.vhost())
		records, err := os.ReadDir(filepath.Join(s.data, "streams"))
		if count != "0" || err != nil || len(records) > 0 {
			return fmt.Errorf("%s streams are left, and the records %v, %w", count, records, err)
		}
		return nil
	})
}

// A pushStage is how far a push has come when the harm is done.
type pushStage struct {
	name    string
	held    bool // the file cannot be renamed
	before  func(*scene)
	arrive  func(*scene, *pushed)
	release func(*scene, *pushed)
	late    bool // release follows the restart
}

func pushStages() []pushStage {
	none := func(*scene, *pushed) {}
	resume := func(s *scene, _ *pushed) { s.signalAgents(syscall.SIGCONT) }
	return []pushStage{
		{
			name:    "published",
			before:  func(s *scene) { s.signalAgents(syscall.SIGSTOP) },
			arrive:  func(s *scene, _ *pushed) { s.reached(1, model.Sent) },
			release: resume,
		},
		{name: "midway", before: func(*scene) {}, arrive: func(_ *scene, p *pushed) { p.midway() }, release: none},
		{
			name: "written, not renamed", held: true, before: func(*scene) {},
			arrive:  func(_ *scene, p *pushed) { p.staged() },
			release: func(_ *scene, p *pushed) { p.letGo() }, late: true,
		},
		// The agent does not know yet that its process has ended.
		{
			name: "renamed", held: true, before: func(*scene) {},
			arrive: func(s *scene, p *pushed) {
				p.staged()
				s.signalAgents(syscall.SIGSTOP)
				p.letGo()
				s.eventually(func() error { return p.is(p.new) })
			},
			release: resume,
		},
		{
			name: "ended, unsent", held: true, before: func(*scene) {},
			arrive: func(s *scene, p *pushed) {
				p.staged()
				s.agentLink.stall(up, down)
				p.letGo()
				s.agents[s.hosts[0]].recorded(1)
			},
			release: func(s *scene, _ *pushed) { s.agentLink.resume() },
		},
	}
}

// pushing is a row: bring a push to the stage, kill, restart.
func pushing(victim string, st pushStage, replaced bool, operate, kill, restart func(*scene)) fault {
	return fault{
		name: victim + " killed, push " + st.name,
		run: func(s *scene) {
			s.hosts = s.hosts[:1]
			operate(s)
			s.fleet()
			st.before(s)
			p := s.push(st.held)
			st.arrive(s, p)
			s.syncFirstStream()
			kill(s)
			if !st.late {
				st.release(s, p)
			}
			restart(s)
			if st.late {
				st.release(s, p)
			}
			s.settlePush(p, replaced)
		},
	}
}

// syncFirstStream makes RabbitMQ write what it knows of its first stream to the disk. It does
// so on its own after some seconds; a stream of a node that was killed before that is lost.
func (s *scene) syncFirstStream() { s.eval("[dets:sync(T) || T <- dets:all()].") }

func (s *scene) settlePush(p *pushed, replaced bool) {
	s.t.Helper()
	s.settle()
	want := p.old
	if replaced {
		want = p.new
	}
	if err := p.is(want); err != nil {
		s.t.Error(err)
	}
	s.noStream()
}

func pushes() (all []fault) {
	for i, st := range pushStages() {
		f := pushing("broker", st, true, (*scene).operate, (*scene).killBroker, (*scene).restartBroker)
		f.alone = true
		all = append(all, f)

		const published, unsent = 0, 4
		f = pushing("agent", st, i == published || i > 2, (*scene).operate, (*scene).killAgents, (*scene).startAgents)
		f.short = st.name == "renamed"
		if i != published && i != unsent {
			f.also = []wire.Outcome{wire.Interrupted}
		}
		all = append(all, f)

		f = pushing("operator", st, i > 1, (*scene).operateByPrompt, (*scene).killPrompt, (*scene).operate)
		if f.short = st.name == "midway"; i <= 1 {
			f.also = []wire.Outcome{wire.Exited} // nobody has the rest of the content
		}
		all = append(all, f)
	}
	midway := pushStages()[1]
	midway.name += ", no streams"
	refused := func(operate func(*scene)) func(*scene) {
		return func(s *scene) {
			s.permit("guest", `^(?!warren[.]file[.])`, ".*", ".*")
			operate(s)
		}
	}
	through := func(victim string, replaced bool, kill, restart func(*scene)) fault {
		return pushing(victim, midway, replaced, refused((*scene).operate), kill, restart)
	}
	broker := through("broker", true, (*scene).killBroker, (*scene).restartBroker)
	broker.alone = true
	agent := through("agent", false, (*scene).killAgents, (*scene).startAgents)
	agent.also = []wire.Outcome{wire.Interrupted}
	return append(
		all, broker, agent,
		linksCut("links cut again and again, push midway", (*scene).operate),
		linksCut("links cut again and again, push midway, no streams", refused((*scene).operate)),
		fault{
			name: "stream deleted, push midway", short: true, also: []wire.Outcome{wire.Exited},
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.operate()
				s.fleet()
				p := s.push(false)
				p.midway()
				records, err := os.ReadDir(filepath.Join(s.data, "streams"))
				s.check(err)
				s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
					return n.DeleteQueue(ctx, vhost, records[0].Name())
				})
				s.settlePush(p, false)
				s.printedError("the operator's stream was deleted")
			},
		},
	)
}

// linksCut is a row: cut both links each time that the push has continued.
func linksCut(name string, operate func(*scene)) fault {
	return fault{name: name, run: func(s *scene) {
		s.hosts = s.hosts[:1]
		operate(s)
		s.fleet()
		p := s.push(false)
		p.midway()
		for sizes := p.temp(); len(sizes) == 1; sizes = p.temp() { // until it is renamed
			s.agentLink.cut()
			s.operatorLink.cut()
			before := sizes[0]
			s.eventually(func() error {
				if now := p.temp(); len(now) == 1 && now[0] == before {
					return errors.New("the push does not continue")
				}
				return nil
			})
		}
		s.settlePush(p, true)
	}}
}

// printedError wants a text in what each push says.
func (s *scene) printedError(text string) {
	s.t.Helper()
	for _, j := range s.jobs() {
		said := j.Reason
		for g, err := range s.store().Output(context.WithoutCancel(s.t.Context()), j.ID, wire.Stderr, 0) {
			s.note(err)
			said += string(g.Data)
		}
		if !strings.Contains(said, text) {
			s.t.Errorf("the push says %q, want %q", said, text)
		}
	}
}
