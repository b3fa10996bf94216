package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"warren/internal/hint"
	"warren/internal/testlab/bench/part"
	"warren/internal/testlab/lab"
)

const (
	// watchedAgents are those whose memory is looked at, with that of their processes for the
	// push, so often.
	watchedAgents = 5
	watchInterval = 50 * time.Millisecond
)

// errNeedsMounts says that each host needs a directory of its own at one path.
var errNeedsMounts = hint.New("this measurement gives each host a directory of its own at one path (unshare, mount --bind)", "run it as root on Linux")

// A pushing is the state of the measurement.
type pushing struct {
	*bench
	relay  *relay
	lab    *lab.Lab
	hosts  fleet
	file   string
	target string // directory on the hosts
	direct string // the broker without the relay
}

// push copies a file to hosts that are processes, once anew and once more, and in turn with
// clush.
func push(b *bench, ctx context.Context) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errNeedsMounts
	}
	p := &pushing{bench: b, hosts: fleet{prefix: b.unique(), hosts: separateHosts}, file: b.path("pushed"), target: b.path("target")}
	if err := p.prepare(ctx); err != nil {
		return errors.Join(err, p.stop())
	}
	return errors.Join(p.measure(ctx), p.stop())
}

func (p *pushing) prepare(ctx context.Context) error {
	broker, err := url.Parse(p.url)
	if err != nil {
		return err
	}
	if p.relay, err = newRelay(broker.Host); err != nil {
		return err
	}
	broker.Host = p.relay.addr()
	p.direct, p.url = p.url, broker.String()
	if err := os.Mkdir(p.target, 0o755); err != nil {
		return err
	}
	return p.startAgents(ctx)
}

func (p *pushing) startAgents(ctx context.Context) (err error) {
	p.say("starting %d agents", p.hosts.hosts)
	p.lab, err = lab.Start(ctx, lab.Config{Hosts: p.hosts.names(p.hosts.hosts), Broker: p.url, Warrend: p.programs.warrend, Private: p.target})
	return err
}

func (p *pushing) stop() (err error) {
	if p.lab != nil {
		err = p.lab.Stop()
	}
	if p.relay != nil {
		err = errors.Join(err, p.relay.close())
	}
	return err
}

// A pushRun is what one push has taken.
type pushRun struct {
	took     time.Duration
	sent     int64 // into the broker
	operator int64 // bytes of memory, at the peak
	agent    int64 // beyond idle, with the process for the push, at the peak
	cpu      time.Duration
}

func (p *pushing) measure(ctx context.Context) error {
	if err := p.fill(1); err != nil {
		return err
	}
	idle, err := p.run(ctx, "tiny")
	if err != nil {
		return err
	}
	if err := p.fill(p.cfg.PushSize); err != nil {
		return err
	}
	p.say("%s", p.what())
	anew, err := p.run(ctx, "file")
	if err != nil {
		return err
	}
	p.say("the same again")
	again, err := p.run(ctx, "file")
	if err != nil {
		return err
	}
	p.judge(idle, anew, again)
	if err := errors.Join(p.removePushed(), p.lab.Stop()); err != nil {
		return err
	}
	// All that the hosts receive passes through the relay too, which takes its time.
	p.lab, p.url = nil, p.direct
	if err := p.startAgents(ctx); err != nil {
		return err
	}
	p.say("without the relay that counts bytes")
	direct, err := p.run(ctx, "file")
	if err != nil {
		return err
	}
	p.report.figure(Figure{What: p.what() + ": whole process of warren, without the relay that counts bytes", Found: direct.took.Seconds(), Unit: "s"})
	if err := p.removePushed(); err != nil {
		return err
	}
	return p.compareClush(ctx, direct.took)
}

func (p *pushing) judge(idle, anew, again pushRun) {
	what, r, size := p.what()+": ", p.report, float64(p.cfg.PushSize)
	r.bar(Bar{Number: 9, What: what + "bytes into the broker, replies and acknowledgments included", Found: float64(anew.sent) / size, Limit: 1.05, Unit: "× the file's"})
	r.bar(Bar{Number: 9, What: what + "memory of an agent and its process for the push, beyond idle", Found: inMiB(anew.agent), Limit: 20, Unit: "MiB"})
	r.bar(Bar{Number: 9, What: what + "memory of the operator, beyond that of a push of 1 byte", Found: inMiB(anew.operator - idle.operator), Limit: 30, Unit: "MiB"})
	r.figure(Figure{What: what + "whole process of warren", Found: anew.took.Seconds(), Unit: "s"})
	r.figure(Figure{What: what + "processor of the operator", Found: anew.cpu.Seconds(), Unit: "s"})
	r.figure(Figure{What: what + "once more, whole process of warren", Found: again.took.Seconds(), Unit: "s"})
	r.bar(Bar{Number: 9, What: what + "once more, bytes into the broker for each host", Found: float64(again.sent) / float64(p.hosts.hosts) / 1024, Limit: 8, Unit: "KiB"})
	r.figure(Figure{What: "1 byte: whole process of warren", Found: idle.took.Seconds(), Unit: "s"})
}

func (p *pushing) what() string {
	return fmt.Sprintf("%.4g MiB to %d hosts", inMiB(p.cfg.PushSize), p.hosts.hosts)
}

// fill makes the file, with content that cannot be compressed. It takes little memory, because
// the peak of a process counts what its parent had when it was started.
func (p *pushing) fill(size int64) error {
	f, err := os.Create(p.file)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Close())
}

// run pushes the file once.
func (p *pushing) run(ctx context.Context, name string) (r pushRun, err error) {
	cmd := p.command(p.programs.warren, "push", p.file, "--to", filepath.Join(p.target, name), "--hosts", p.hosts.expr(p.hosts.hosts), "--data-dir", p.path("push"), "--timeout", "30m")
	cmd.Env = append(cmd.Env, "WARREN_IDENTITY="+p.lab.Identity)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	watch, err := watchMemory(p.lab.PIDs()[:watchedAgents])
	if err != nil {
		return r, err
	}
	before, begin := p.relay.up.Load(), time.Now()
	err = cmd.Run()
	r.took = time.Since(begin)
	r.sent = p.relay.up.Load() - before
	r.agent = watch()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, said.String())
	}
	r.operator, r.cpu = part.PeakOf(cmd.ProcessState), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return r, ctx.Err()
}

// removePushed makes room, and lets the disk come to rest.
func (p *pushing) removePushed() error {
	files, err := filepath.Glob(filepath.Join(p.lab.Dir, "agents", "*.private", "*"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// watchMemory looks at the memory of agents and of their children. The function that it
// returns ends that, and returns the most that an agent had beyond its beginning.
func watchMemory(agents []int) (end func() int64, err error) {
	idle := make([]int64, len(agents))
	for i, pid := range agents {
		if idle[i], err = part.Resident(pid); err != nil {
			return nil, err
		}
	}
	done, ended := make(chan struct{}), make(chan int64, 1)
	go func() {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		most := int64(0)
		for {
			for i, pid := range agents {
				most = max(most, withChildren(pid)-idle[i])
			}
			select {
			case <-tick.C:
			case <-done:
				ended <- most
				return
			}
		}
	}()
	return func() int64 { close(done); return <-ended }, nil
}

// withChildren is the memory of a process and of its children; pages of a program that several
// have are counted each time.
func withChildren(pid int) int64 {
	n, _ := part.Resident(pid) // a process that has ended has none
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				more, _ := part.Resident(child)
				n += more
			}
		}
	}
	return n
}

// compareClush copies the file with clush over connections that are open already.
func (p *pushing) compareClush(ctx context.Context, took time.Duration) error {
	for _, program := range []string{"clush", "ssh", "ssh-keygen", sshd} {
		if _, err := exec.LookPath(program); err != nil {
			p.say("no comparison with clush: %v", err)
			return nil
		}
	}
	s, err := startSSH(ctx, p.path("ssh"), p.target, p.hosts.hosts)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	p.say("the same with clush")
	clush, err := s.copy(p.file, filepath.Join(p.target, "file"))
	begin := time.Now()
	err = errors.Join(err, exec.Command("sync").Run())
	synced := time.Since(begin)
	if err = errors.Join(err, s.stop()); err != nil {
		return err
	}
	p.report.figure(Figure{What: p.what() + ": sync of the disk after clush; warren syncs each file", Found: synced.Seconds(), Unit: "s"})
	p.report.figure(Figure{What: p.what() + ": clush --copy over warm ssh", Found: clush.Seconds(), Unit: "s"})
	p.report.bar(Bar{Number: 9, What: p.what() + ": time, beside clush --copy over warm ssh", Found: took.Seconds() / clush.Seconds(), Limit: 1, Unit: "× clush"})
	return nil
}
