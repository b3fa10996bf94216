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

// A separate is a fleet of hosts that are processes, each with a directory of its own at one
// path, and a relay that counts what they and the operator send to the broker.
type separate struct {
	*bench
	relay  *relay
	lab    *lab.Lab
	hosts  fleet
	dir    string // on the hosts
	direct string // the broker without the relay
}

// withSeparate measures on such a fleet. The directory on the hosts has that name.
func withSeparate(b *bench, ctx context.Context, hosts int, dir string, measure func(*separate) error) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errNeedsMounts
	}
	s := &separate{bench: b, hosts: fleet{prefix: b.unique(), hosts: hosts}, dir: b.path(dir)}
	if err := s.prepare(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return errors.Join(measure(s), s.stop())
}

func (s *separate) prepare(ctx context.Context) error {
	broker, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	if s.relay, err = newRelay(broker.Host); err != nil {
		return err
	}
	broker.Host = s.relay.addr()
	s.direct, s.url = s.url, broker.String()
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return err
	}
	return s.startAgents(ctx)
}

func (s *separate) startAgents(ctx context.Context) (err error) {
	s.say("starting %d agents", s.hosts.hosts)
	s.lab, err = lab.Start(ctx, lab.Config{Hosts: s.hosts.names(s.hosts.hosts), Broker: s.url, Warrend: s.programs.warrend, Private: s.dir})
	return err
}

// leaveRelay starts the agents anew, without the relay. All that hosts receive passes through it, too,
// which takes its time.
func (s *separate) leaveRelay(ctx context.Context) error {
	if err := s.lab.Stop(); err != nil {
		return err
	}
	s.lab, s.url = nil, s.direct
	if err := s.startAgents(ctx); err != nil {
		return err
	}
	s.say("without the relay that counts bytes")
	return nil
}

func (s *separate) stop() (err error) {
	if s.lab != nil {
		err = s.lab.Stop()
	}
	if s.relay != nil {
		err = errors.Join(err, s.relay.close())
	}
	return err
}

// fillFile makes a file with content that cannot be compressed. It takes little memory, because
// the peak of a process counts what its parent had when it was started.
func fillFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Close())
}

// fillHosts makes a file in the directory of each host. The contents differ.
func (s *separate) fillHosts(name string, size int64) error {
	dirs, err := filepath.Glob(filepath.Join(s.lab.Dir, "agents", "*.private"))
	if err == nil && len(dirs) != s.hosts.hosts {
		err = fmt.Errorf("%d hosts have directories of their own", len(dirs))
	}
	return errors.Join(err, fillEach(dirs, name, size))
}

// fillEach makes a file in each directory.
func fillEach(dirs []string, name string, size int64) error {
	for _, dir := range dirs {
		if err := fillFile(filepath.Join(dir, name), size); err != nil {
			return err
		}
	}
	return nil
}

// A fileRun is what one push or collect has taken.
type fileRun struct {
	took     time.Duration
	sent     int64 // into the broker
	operator int64 // bytes of memory, at the peak
	agent    int64 // beyond idle, with the process for the files, at the peak; 0 without the relay
	cpu      time.Duration
}

// warren runs the operator once.
func (s *separate) warren(ctx context.Context, args ...string) (r fileRun, err error) {
	cmd := s.command(s.programs.warren, args...)
	cmd.Env = append(cmd.Env, "WARREN_IDENTITY="+s.lab.Identity)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	peak := func() int64 { return 0 }
	if s.url != s.direct { // a run without the relay is for its time: nobody takes processors from it
		if peak, err = watchMemory(s.lab.PIDs()[:min(watchedAgents, s.hosts.hosts)]); err != nil {
			return r, err
		}
	}
	before, begin := s.relay.up.Load(), time.Now()
	err = cmd.Run()
	r.took = time.Since(begin)
	r.sent, r.agent = s.relay.up.Load()-before, peak()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, said.String())
	}
	r.operator, r.cpu = part.PeakOf(cmd.ProcessState), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return r, ctx.Err()
}

// ssh starts an sshd for each host, and opens the connections. It returns nil if a program for
// the comparison with clush is missing.
func (s *separate) ssh(ctx context.Context) (*sshFleet, error) {
	for _, program := range []string{"clush", "ssh", "ssh-keygen", sshd} {
		if _, err := exec.LookPath(program); err != nil {
			s.say("no comparison with clush: %v", err)
			return nil, nil
		}
	}
	fleet, err := startSSH(ctx, s.sshDir(), s.dir, s.hosts.hosts)
	if err != nil {
		return nil, errors.Join(err, fleet.stop())
	}
	return fleet, nil
}

// sshDir is where the sshd have their files. Each measurement has its own.
func (s *separate) sshDir() string { return s.dir + "-ssh" }

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

// withChildren is the memory of a process and of its children, which are the same program: pages of
// the program are the same for all, and are counted once.
func withChildren(pid int) int64 {
	n, program, _ := part.Pages(pid) // a process that has ended has none
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				own, shared, _ := part.Pages(child)
				n, program = n+own, max(program, shared)
			}
		}
	}
	return n + program
}
