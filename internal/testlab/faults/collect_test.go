//go:build linux

package faults

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/operator/model"
	"warren/internal/testlab/clitest"
	"warren/internal/wire"
)

// collectCommand begins the command of each collect.
const collectCommand = "collect "

// A collecting is the collect of a row: three files, which are sent in this order.
type collecting struct {
	scene *scene
	dir   string            // on the host
	files map[string][]byte // by name
	lease *os.File          // on the last file; nil: none
	again int               // how often it was repeated
}

const (
	firstFile = "a" // small: it has arrived whole when the second arrives
	largeFile = "b"
	heldFile  = "c" // it cannot be read before the lease ends
)

// collect submits a collect to the one host of the scene, and waits until most of the second
// file has arrived, and the third is waited for.
func (s *scene) collect(large, held int) *collecting {
	s.t.Helper()
	c := &collecting{scene: s, dir: filepath.Join(s.dir, "files"), files: map[string][]byte{
		firstFile: []byte("first"), largeFile: make([]byte, large), heldFile: make([]byte, held),
	}}
	s.check(os.Mkdir(c.dir, 0o700))
	for name, content := range c.files {
		if len(content) > 5 {
			_, _ = rand.Read(content) // never fails
		}
		s.check(os.WriteFile(filepath.Join(c.dir, name), content, 0o600))
	}
	f, err := os.OpenFile(filepath.Join(c.dir, heldFile), os.O_RDWR, 0)
	s.check(err)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	s.check(err)
	c.lease = f
	c.submit()
	s.eventually(func() error {
		if len(s.jobs()) == 0 || c.arrived() < int64(large/2) {
			return errors.New("the second file has not arrived")
		}
		kind, err := unix.FcntlInt(f.Fd(), unix.F_GETLEASE, 0)
		if err == nil && kind == unix.F_WRLCK {
			err = errors.New("the third file is not waited for")
		}
		return err
	})
	return c
}

// submit has the operator collect the files.
func (c *collecting) submit() {
	s := c.scene
	s.t.Helper()
	s.submitted++
	if s.prompt != nil {
		_, err := fmt.Fprintf(s.prompt.In, "collect %s --hosts %s\n", c.dir, s.hosts[0])
		s.check(err)
		return
	}
	_, err := s.engine.Submit(s.t.Context(), model.Spec{
		Command: collectCommand + c.dir, Hosts: s.hosts, StartTimeout: s.expires,
		Run: wire.Run{Collect: &wire.Collect{MaxSize: 1 << 30}, Argv: []string{c.dir}, TimeoutMS: (10 * time.Minute).Milliseconds(), MaxOutput: wire.MaxArchive},
	})
	s.check(err)
}

// repeat collects the files once more, and wants all of them.
func (c *collecting) repeat() {
	c.scene.t.Helper()
	c.submit()
	c.again++
	c.scene.settle()
	c.saved(0, firstFile, largeFile, heldFile)
}

// letGo lets the host read the third file.
func (c *collecting) letGo() {
	c.scene.t.Helper()
	if c.lease != nil {
		c.scene.check(c.lease.Close())
		c.lease = nil
	}
}

// arrived returns how much of the archive the operator has.
func (c *collecting) arrived() int64 { return c.job().Stdout.Kept }

// job returns the latest job of the collect, which was the first task.
func (c *collecting) job() model.Job {
	jobs := c.scene.jobs()
	return jobs[len(jobs)-1-c.again]
}

// saved saves the files by another process, and wants those of want. Each file that is there
// must be whole.
func (c *collecting) saved(status int, want ...string) {
	c.scene.t.Helper()
	c.savedBy("check_task", status, want...)
}

func (c *collecting) savedBy(command string, status int, want ...string) {
	s := c.scene
	s.t.Helper()
	cmd := s.warren(command, c.job().Task, "--save", c.out())
	text, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != status {
		s.t.Errorf("%s --save: %v\n%s", command, err, text)
	}
	for name, content := range c.files {
		got, err := os.ReadFile(filepath.Join(c.out(), s.hosts[0], c.dir, name))
		switch {
		case err == nil && !bytes.Equal(got, content):
			s.t.Errorf("%s is not what the host has: %d bytes", name, len(got))
		case err != nil && strings.Contains(strings.Join(want, ""), name):
			s.t.Errorf("%s is missing: %v\n%s", name, err, text)
		}
	}
	if left := c.unsaved(); len(left) > 0 {
		s.t.Errorf("left: %v", left)
	}
}

// out is the directory in which the files are saved.
func (c *collecting) out() string { return filepath.Join(c.scene.dir, "out") }

// unsaved returns the paths of what is not saved whole.
func (c *collecting) unsaved() []string {
	paths, err := filepath.Glob(filepath.Join(c.out(), c.scene.hosts[0], ".warren-collect-*"))
	c.scene.note(err)
	return paths
}

// killSaving kills a process that saves the files, in the midst of the second one. What is left of
// that is made a day old: the next process removes it.
func (c *collecting) killSaving() {
	s := c.scene
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	s.eventually(func() error {
		s.check(os.RemoveAll(c.out()))
		p, err := clitest.Start(s.warren("check_task", c.job().Task, "--save", c.out()), false)
		s.check(err)
		s.processes = append(s.processes, p)
		ended := make(chan error, 1)
		go func() {
			_, err := p.Wait()
			ended <- err
		}()
		for !c.halfSaved() {
			select {
			case <-tick.C:
			case err := <-ended:
				return fmt.Errorf("it has ended: %s%s, %w", last(p.Out.String()), last(p.Err.String()), err)
			}
		}
		s.check(p.Kill())
		if !c.halfSaved() {
			return errors.New("the second file has become whole")
		}
		return nil
	})
	old := time.Now().Add(-25 * time.Hour)
	for _, name := range c.unsaved() {
		s.check(os.Chtimes(name, old, old))
	}
}

// halfSaved reports whether the first file is saved and the second one is not yet.
func (c *collecting) halfSaved() bool {
	host := filepath.Join(c.out(), c.scene.hosts[0], c.dir)
	got, err := os.ReadFile(filepath.Join(host, firstFile))
	_, missing := os.Stat(filepath.Join(host, largeFile))
	return err == nil && bytes.Equal(got, c.files[firstFile]) && errors.Is(missing, fs.ErrNotExist) && len(c.unsaved()) == 1
}

const collectSize = 2 << 20

// startCollect starts an operator and an agent, and brings a collect to its midst.
func (s *scene) startCollect(operate func(*scene)) *collecting {
	s.t.Helper()
	s.hosts = s.hosts[:1]
	operate(s)
	s.fleet()
	return s.collect(collectSize, collectSize)
}

// collected is a row: the host has the whole archive, the operator does not, and something is killed
// and restarted.
func collected(victim string, harm func(*scene)) fault {
	return fault{
		name: victim + " killed, collect ended, unsent", alone: victim == "broker",
		run: func(s *scene) {
			c := s.startCollect((*scene).operate)
			s.agentLink.stall(up, down)
			c.letGo()
			s.agents[s.hosts[0]].recorded(1)
			harm(s)
			s.settle()
			c.saved(0, firstFile, largeFile, heldFile)
			c.repeat()
		},
	}
}

// collects are the faults of a collect that is under way.
func collects() []fault {
	all := []fault{
		collected("agent", func(s *scene) { s.killAgents(); s.agentLink.resume(); s.startAgents() }),
		collected("broker", func(s *scene) { s.killBroker(); s.agentLink.resume(); s.restartBroker() }),
		{
			name: "operator killed, collect half saved",
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.operate()
				s.fleet()
				c := s.collect(8*collectSize, collectSize)
				c.letGo()
				s.settle()
				c.killSaving()
				c.saved(0, firstFile, largeFile, heldFile)
				c.repeat()
			},
		},
		{
			name: "agent killed, collect midway", short: true, also: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				c := s.startCollect((*scene).operate)
				s.killAgents()
				c.letGo()
				s.startAgents()
				s.settle()
				c.saved(1, firstFile)
				c.repeat()
			},
		},
		{
			name: "broker killed, collect midway", alone: true,
			run: func(s *scene) {
				c := s.startCollect((*scene).operate)
				s.killBroker()
				c.letGo()
				s.restartBroker()
				s.settle()
				c.saved(0, firstFile, largeFile, heldFile)
			},
		},
		{
			name: "operator killed, collect midway",
			run: func(s *scene) {
				c := s.startCollect((*scene).operateByPrompt)
				s.killPrompt()
				c.letGo()
				c.savedBy("wait", 0, firstFile, largeFile, heldFile) // another process
				s.operate()
				s.settle()
			},
		},
		{
			name: "links cut again and again, collect midway", short: true,
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.operate()
				s.fleet()
				c := s.collect(collectSize, 8*collectSize)
				s.agentLink.slow(4 << 20)
				c.letGo()
				for range 6 {
					before := c.arrived()
					s.eventually(func() error {
						if c.arrived() < before+collectSize && s.count(model.Ended) == 0 {
							return errors.New("the collect does not continue")
						}
						return nil
					})
					s.agentLink.cut()
					s.operatorLink.cut()
				}
				s.settle()
				s.agentLink.slow(0) // check_task asks for what was lost behind the operator's last connection
				c.saved(0, firstFile, largeFile, heldFile)
				// Each time, the agent goes on behind what the operator has. If it began again, it would
				// send more than three times the archive.
				if sent, size := s.agentLink.bytes[up].Load(), c.job().Stdout.Size; sent > 2*size {
					s.t.Errorf("the agent has sent %d bytes for an archive of %d", sent, size)
				}
			},
		},
		{
			name: "operator's disk full, collect midway",
			run: func(s *scene) {
				s.mount(s.data, 32)
				c := s.startCollect((*scene).operate)
				room := s.fill(s.data)
				c.letGo()
				s.refused(work{})
				s.agents[s.hosts[0]].says(1, "msg=ended")
				room()
				s.settle()
				c.saved(0, firstFile, largeFile, heldFile)
			},
		},
		{
			name: "operator's disk full, files saved",
			run: func(s *scene) {
				c := s.startCollect((*scene).operate)
				c.letGo()
				s.settle()
				out := filepath.Join(s.dir, "out")
				s.mount(out, 8)
				room := s.fill(out)
				cmd := s.warren("check_task", c.job().Task, "--save", out)
				text, _ := cmd.CombinedOutput()
				if cmd.ProcessState.ExitCode() == 0 || !bytes.Contains(text, []byte("no space left on device")) {
					s.t.Errorf("with status %d: %s", cmd.ProcessState.ExitCode(), text)
				}
				room()
				c.saved(0, firstFile, largeFile, heldFile)
			},
		},
		{
			name: "agent's disk full, collect midway", gone: true,
			run: func(s *scene) {
				s.hosts = s.hosts[:1]
				s.operate()
				a := &agent{scene: s, id: s.hosts[0]}
				s.mount(a.dataDir(), 64)
				s.fleet()
				c := s.collect(collectSize, 4*collectSize)
				room := s.fill(a.dataDir())
				s.agentLink.stall(up) // or the memory would do
				c.letGo()
				s.agents[a.id].says(1, "msg=ended")
				s.agentLink.resume()
				s.settle()
				if j := c.job(); !j.Stdout.Gone || !strings.Contains(j.Reason, "disk is full") {
					s.t.Errorf("%q, %+v", j.Reason, j.Stdout)
				}
				room()
				c.saved(1, firstFile)
			},
		},
	}
	for _, side := range sides() {
		all = append(all, fault{
			name: side.name + " link stalled both ways, collect midway",
			run: func(s *scene) {
				c := s.startCollect((*scene).operate)
				side.link(s).stall(up, down)
				c.letGo()
				side.mourned(s)
				side.link(s).resume()
				side.repaired(s)
				s.settle()
				c.saved(0, firstFile, largeFile, heldFile)
			},
		})
	}
	return all
}
