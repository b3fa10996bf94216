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
	pushSize   = 2 << 20
	pushRate   = 512 << 10 // the first half MiB is sent at once
	midwayRate = 128 << 10 // slow enough for a busy machine to do the harm midway
	noLimit    = 0         // another rate
)

// A pushed is the push of a row: largeFile and then heldFile, and what they were before.
type pushed struct {
	scene       *scene
	source, dir string            // the directories of the operator and of the host
	old, new    map[string][]byte // by name
	lease       *os.File          // on heldFile; nil: none
}

// push submits a push to the one host of the scene, with a rate in bytes a second.
func (s *scene) push(size, rate int, held bool) *pushed {
	s.t.Helper()
	p := &pushed{
		scene: s, source: filepath.Join(s.dir, "source"), dir: filepath.Join(s.dir, "host"),
		old: map[string][]byte{largeFile: []byte("old"), heldFile: []byte("old")},
		new: map[string][]byte{largeFile: make([]byte, size), heldFile: []byte("new one")},
	}
	_, _ = rand.Read(p.new[largeFile]) // never fails
	s.check(errors.Join(os.Mkdir(p.source, 0o700), os.Mkdir(p.dir, 0o700)))
	for name := range p.new {
		s.check(errors.Join(os.WriteFile(filepath.Join(p.dir, name), p.old[name], 0o600), os.WriteFile(filepath.Join(p.source, name), p.new[name], 0o600)))
	}
	if held {
		p.hold()
	}
	p.submit(rate)
	return p
}

// submit has the operator push the files.
func (p *pushed) submit(rate int) {
	s := p.scene
	s.t.Helper()
	s.submitted++
	sources := []string{filepath.Join(p.source, largeFile), filepath.Join(p.source, heldFile)}
	if s.prompt != nil {
		limit := ""
		if rate != noLimit {
			limit = fmt.Sprintf("--rate %d", rate)
		}
		_, err := fmt.Fprintf(s.prompt.In, "push %s --to %s/ --hosts %s %s\n", strings.Join(sources, " "), p.dir, s.hosts[0], limit)
		s.check(err)
		s.eventually(func() error {
			if !strings.Contains(s.prompt.Out.String(), "task on ") {
				return fmt.Errorf("no task: %s", s.prompt.last())
			}
			return nil
		})
		return
	}
	src, err := files.Scan(s.t.Context(), sources, true)
	s.check(err)
	spec := model.Spec{
		Command: pushCommand + p.dir, Hosts: s.hosts, StartTimeout: s.expires,
		Run: wire.Run{Push: &wire.Push{Path: p.dir}, TimeoutMS: (10 * time.Minute).Milliseconds(), MaxOutput: 1 << 20},
	}
	_, err = s.engine.Push(s.t.Context(), spec, command.PushContent{Source: src, Rate: int64(rate)})
	s.check(err)
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

// hold lets the push write the large file, but rename nothing: it reads the label of each file that
// it replaces, and a lease (fcntl(2)) makes whoever opens the second one wait for 45 s at most.
func (p *pushed) hold() {
	p.scene.t.Helper()
	f, err := os.OpenFile(filepath.Join(p.dir, heldFile), os.O_RDWR, 0)
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
	if temp := p.temp(); len(temp) != 2 || temp[0] != p.size() {
		p.scene.t.Errorf("staged files of %d bytes, want two, and the first of %d", temp, p.size())
	}
}

// size is that of the large file.
func (p *pushed) size() int64 { return int64(len(p.new[largeFile])) }

// tempNames returns the paths of what is written under temporary names, in the order of the files.
func (p *pushed) tempNames() []string {
	names, err := filepath.Glob(filepath.Join(p.dir, ".warren-push-*"))
	p.scene.note(err)
	return names
}

// temp returns the sizes of what is written under temporary names.
func (p *pushed) temp() (sizes []int64) {
	for _, name := range p.tempNames() {
		if info, err := os.Stat(name); err == nil {
			sizes = append(sizes, info.Size())
		}
	}
	return sizes
}

// written returns how much is written under a temporary name.
func (p *pushed) written() (sum int64) {
	for _, size := range p.temp() {
		sum += size
	}
	return sum
}

// midway waits until a part of the large file is written.
func (p *pushed) midway() {
	p.scene.t.Helper()
	p.scene.eventually(func() error {
		if sizes := p.temp(); len(sizes) != 1 || sizes[0] == 0 {
			return fmt.Errorf("staged files: %d", sizes)
		}
		return nil
	})
	if sizes := p.temp(); len(sizes) != 1 || sizes[0] == p.size() {
		p.scene.t.Errorf("staged files of %d bytes: not midway", sizes)
	}
}

// is wants the files to be whole: the old ones, or the new ones.
func (p *pushed) is(want map[string][]byte) error {
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(p.dir, name))
		switch {
		case err != nil:
			return err
		case bytes.Equal(got, content):
		case bytes.Equal(got, p.old[name]):
			return fmt.Errorf("%s is the old file", name)
		case bytes.Equal(got, p.new[name]):
			return fmt.Errorf("%s is the new file", name)
		default:
			return fmt.Errorf("%s is neither the old file nor the new one: %d bytes", name, len(got))
		}
	}
	return nil
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

// streamMayExpire wants the broker to be allowed to drop old content of the one stream. It drops
// whole segments, so that their size counts, too.
func (s *scene) streamMayExpire() {
	s.t.Helper()
	count := s.eval(`length([Q || Q <- rabbit_amqqueue:list(<<"%s">>), A <- [amqqueue:get_arguments(Q)], `+
		`{_, _, <<"7D">>} <- [lists:keyfind(<<"x-max-age">>, 1, A)], {_, _, 20000000} <- [lists:keyfind(<<"x-stream-max-segment-size-bytes">>, 1, A)]]).`, s.vhost())
	if count != "1" {
		s.t.Errorf("%s streams have a maximum age of 7 days and segments of 20 MB, want 1", count)
	}
}

// noted waits until the operator's record of its stream says that the broker has the content.
func (s *scene) noted() {
	s.t.Helper()
	s.eventually(func() error {
		records, err := filepath.Glob(filepath.Join(s.data, "streams", "*"))
		s.check(err)
		if len(records) != 1 {
			return fmt.Errorf("the records are %v", records)
		}
		text, err := os.ReadFile(records[0])
		if err == nil && !bytes.HasSuffix(text, []byte("\ncomplete")) {
			err = fmt.Errorf("the record is %q", text)
		}
		return err
	})
}

// A pushStage is how far a push has come when the harm is done.
type pushStage struct {
	name    string
	rate    int  // of the push
	held    bool // nothing can be renamed
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
			name: "published", rate: pushRate,
			before:  func(s *scene) { s.signalAgents(syscall.SIGSTOP) },
			arrive:  func(s *scene, _ *pushed) { s.reached(1, model.Sent) },
			release: resume,
		},
		{name: "midway", rate: midwayRate, before: func(*scene) {}, arrive: func(_ *scene, p *pushed) { p.midway() }, release: none},
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

// sentToBroker is the stage in which only the host still needs the content.
func sentToBroker() pushStage {
	return pushStage{
		name: "sent, host midway",
		// The broker sends 1 MiB ahead, so that half of the content is still in the stream.
		before: func(s *scene) { s.agentLink.slow(pushSize / 8) },
		arrive: func(s *scene, p *pushed) {
			s.noted()
			p.midway()
			s.agentLink.stall(up, down)
		},
		release: func(s *scene, _ *pushed) { s.agentLink.resume() }, late: true,
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
			p := s.push(pushSize, st.rate, st.held)
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
	if temp := p.tempNames(); len(temp) > 0 && !s.fault.leftover {
		s.t.Errorf("left: %v", temp)
	}
	s.noStream()
	if s.jobs()[0].Outcome == wire.Interrupted {
		p.again(replaced)
	}
}

// again pushes once more, and wants the new files. What an earlier push has left is made nine days old:
// this one removes it.
func (p *pushed) again(same bool) {
	s := p.scene
	s.t.Helper()
	old := time.Now().Add(-9 * 24 * time.Hour)
	for _, name := range p.tempNames() {
		s.check(os.Chtimes(name, old, old))
	}
	p.submit(noLimit)
	s.settle()
	want := "0 created, 2 replaced, 0 same\n"
	if same {
		want = "0 created, 0 replaced, 2 same\n"
	}
	j := s.jobs()[0] // of the latest task
	if got := s.printed(&j, wire.Stdout); !j.OK() || !bytes.HasSuffix(got, []byte(want)) {
		s.t.Errorf("the next push is %s %q, and says %q, want %q", j.Outcome, j.Reason, got, want)
	}
	if err := p.is(p.new); err != nil {
		s.t.Error(err)
	}
	if temp := p.tempNames(); len(temp) > 0 {
		s.t.Errorf("left: %v", temp)
	}
	s.noStream()
}

func pushes() (all []fault) {
	for i, st := range pushStages() {
		f := pushing("broker", st, true, (*scene).operate, (*scene).killBroker, (*scene).restartBroker)
		f.alone, f.short = true, st.name == "midway"
		all = append(all, f)

		const published, unsent = 0, 4
		f = pushing("agent", st, i == published || i > 2, (*scene).operate, (*scene).killAgents, (*scene).startAgents)
		f.short = st.name == "renamed"
		f.leftover = st.name == "written, not renamed" // the process waits for the lease until it is killed
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
	broker := pushing("broker", midway, true, refused((*scene).operate), (*scene).killBroker, (*scene).restartBroker)
	broker.alone = true
	agent := pushing("agent", midway, false, refused((*scene).operate), (*scene).killAgents, (*scene).startAgents)
	agent.also = []wire.Outcome{wire.Interrupted}
	operator := pushing("operator", midway, false, refused((*scene).operateByPrompt), (*scene).killPrompt, (*scene).operate)
	operator.also = []wire.Outcome{wire.Exited} // nobody has the rest of the content
	return append(
		all, broker, agent, operator,
		pushing("operator", sentToBroker(), true, (*scene).operateByPrompt, (*scene).killPrompt, (*scene).operate),
		linksCut("links cut again and again, push midway", streamRepeats, (*scene).operate),
		linksCut("links cut again and again, push midway, no streams", queueRepeats, refused((*scene).operate)),
		fault{
			name: "stream made, but not bound", short: true,
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.permit("guest", ".*", `^(?!warren[.]file[.])`, ".*")
				s.operate()
				s.fleet()
				s.settlePush(s.push(pushSize, noLimit, false), true)
			},
		},
		fault{
			name: "stream deleted, push midway", short: true, also: []wire.Outcome{wire.Exited},
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.operate()
				s.fleet()
				p := s.push(pushSize, midwayRate, false)
				p.midway()
				s.streamMayExpire()
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

// The push whose links are cut, and how often.
const (
	cutSize  = 24 << 20
	cutRate  = 1 << 20 // so much is sent at once after a pause, too
	cutAfter = 2 << 20 // each time that so much more is written
	cutTimes = 6
)

// How many bytes one cut may have sent again, at most. If an end began again at the beginning each
// time, it would carry 42 MiB too much for 6 cuts.
const (
	// What the broker has not confirmed, which the rate bounds by 1 MiB. The host gets that
	// twice, and once more what the broker sends ahead: 1 MiB.
	streamRepeats = 2 << 20

	// Three windows of 1 MiB: one is on the way when the links are cut, one comes back because
	// the host is not there yet, and one is not reported before the operator is back.
	queueRepeats = 3 << 20
)

// linksCut is a row: cut both links each time that the push has continued.
func linksCut(name string, repeats int64, operate func(*scene)) fault {
	return fault{name: name, run: func(s *scene) {
		s.hosts = s.hosts[:1]
		operate(s)
		s.fleet()
		p := s.push(cutSize, cutRate, false)
		for i := range cutTimes {
			before := p.written()
			s.eventually(func() error {
				if now := p.written(); now < before+cutAfter && s.count(model.Ended) == 0 {
					return fmt.Errorf("the push does not continue: %d bytes are written, %d after the last cut", now, before)
				}
				return nil
			})
			if s.count(model.Ended) > 0 {
				s.t.Fatalf("the push has ended after %d cuts", i)
			}
			s.agentLink.cut()
			s.operatorLink.cut()
		}
		s.settlePush(p, true)
		allowed := cutSize + cutTimes*repeats
		if got := s.agentLink.bytes[down].Load(); got > allowed {
			s.t.Errorf("the host has received %d bytes for a content of %d, want %d at most", got, cutSize, allowed)
		}
		if got := s.operatorLink.bytes[up].Load(); got > allowed {
			s.t.Errorf("the operator has sent %d bytes for a content of %d, want %d at most", got, cutSize, allowed)
		}
	}}
}

// printedError wants a text in what each push says.
func (s *scene) printedError(text string) {
	s.t.Helper()
	for _, j := range s.jobs() {
		said := j.Reason + string(s.printed(&j, wire.Stderr))
		if !strings.Contains(said, text) {
			s.t.Errorf("the push says %q, want %q", said, text)
		}
	}
}
