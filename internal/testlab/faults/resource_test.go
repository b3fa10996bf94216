//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/testlab/disk"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
)

// resources are the faults of memory, queues and disks.
func resources() []fault {
	return []fault{
		{
			name: "broker short of memory", alone: true, short: true,
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks + 5)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{before: 5000, gated: true, after: 50_000})
				s.executed(s.tasks * len(s.hosts))
				s.alarm()
				s.release()
				s.submit(5, s.hosts, work{})
				s.linkIs(broker.Blocked)
				for _, a := range s.agents {
					a.says(s.tasks, "msg=ended")
				}
				s.calm()
				s.linkIs(broker.Up)
			},
		},
		{
			name: "callback queue full, operator stopped",
			run: func(s *scene) {
				s.fleet(lanes(s.tasks)...)
				s.operateByPrompt()
				s.submit(1, s.hosts, work{})
				s.settle()
				s.eval(`rabbit_policy:parse_set(<<"%s">>, <<"small">>, <<"^warren[.]reply[.]">>, <<"{\"max-length-bytes\":100000}">>, <<"0">>, <<"queues">>, <<"warren">>).`, s.vhost())
				s.hold()
				const n = 5
				s.submit(n, s.hosts, work{gated: true, after: 3_000_000})
				s.executed((n + 1) * len(s.hosts))
				s.reached(n*len(s.hosts), model.Running)
				s.check(s.prompt.Signal(syscall.SIGSTOP))
				s.release()
				s.replyQueueHas(50_000) // and one chunk more is too many
				s.check(s.prompt.Signal(syscall.SIGCONT))
			},
		},
		{
			name: "operator's disk full",
			run: func(s *scene) {
				s.mount(s.data, 64)
				s.operate()
				s.fleet(lanes(20)...)
				s.hold()
				n := min(s.tasks, 20)
				s.submit(n, s.hosts, work{before: 5000, gated: true, after: 100_000})
				s.executed(n * len(s.hosts))
				s.reached(n*len(s.hosts), model.Running)
				room := s.fill(s.data)
				s.release()
				s.refused(work{})
				for _, a := range s.agents {
					a.says(n, "msg=ended")
				}
				room()
				s.submit(5, s.hosts, work{})
			},
		},
		{
			name: "operator's disk full, operator killed",
			run: func(s *scene) {
				s.mount(s.data, 64)
				s.fleet(lanes(20)...)
				s.operateByPrompt()
				s.hold()
				n := min(s.tasks, 20)
				s.submit(n, s.hosts, work{before: 5000, gated: true, after: 100_000})
				s.executed(n * len(s.hosts))
				s.reached(n*len(s.hosts), model.Running)
				room := s.fill(s.data)
				s.release()
				for _, a := range s.agents {
					a.says(n, "msg=ended")
				}
				s.killPrompt()
				room()
				s.operate()
			},
		},
		{
			name: "operator's disk full, operator leaves", short: true,
			run: func(s *scene) {
				s.mount(s.data, 64)
				s.fleet(lanes(20)...)
				s.operateByPrompt()
				s.submit(1, s.hosts, work{})
				s.settle() // its links are up
				s.signalAgents(syscall.SIGSTOP)
				n := min(s.tasks, 20)
				s.submit(n, s.hosts, work{before: 5000, after: 100_000})
				s.reached(n*len(s.hosts), model.Sent, model.Ended)
				room := s.fill(s.data)
				s.signalAgents(syscall.SIGCONT)
				s.executed((n + 1) * len(s.hosts))
				s.leaveFull()
				room()
				s.operate()
			},
		},
		{
			name: "agent's disk full", may: []wire.Outcome{wire.Rejected},
			run: func(s *scene) { s.fullHost(func() {}) },
		},
		{
			name: "agent's disk full, agent killed", also: []wire.Outcome{wire.Interrupted}, may: []wire.Outcome{wire.Rejected}, gone: true,
			run: func(s *scene) {
				s.fullHost(func() {
					s.killAgents()
					s.startAgents()
				})
			},
		},
	}
}

// leaveFull has the prompt leave although nothing can be stored.
func (s *scene) leaveFull() {
	s.t.Helper()
	_, err := fmt.Fprintln(s.prompt.In, "exit")
	s.check(err)
	status, err := s.prompt.Wait()
	s.check(err)
	said := s.prompt.Err.String()
	if status != 1 || !strings.Contains(said, "could not be stored: ") || !strings.Contains(said, "hint: free some space") {
		s.t.Errorf("left with status %d: %s", status, last(said))
	}
	s.prompt = nil
}

// fullHost fills the disk of one host while jobs run, others wait, and more come.
func (s *scene) fullHost(harm func()) {
	s.t.Helper()
	const running = 5
	s.hosts = s.hosts[:1]
	s.operate()
	a := &agent{scene: s, id: s.hosts[0]}
	s.mount(a.dataDir(), 16)
	s.fleet(lanes(running)...)
	s.hold()
	s.submit(running, s.hosts, work{before: 5000, gated: true, after: 5000})
	s.executed(running)
	room := s.fill(a.dataDir())
	log := &s.agents[a.id].Err
	for taken := running; !strings.Contains(log.String(), "cannot write the journal"); taken++ {
		s.submit(1, s.hosts, work{long: 100_000}) // uses up what the journal has set aside
		s.eventually(func() error {
			if strings.Contains(log.String(), "cannot write the journal") || s.count(model.Accepted, model.Running, model.Ended) > taken {
				return nil
			}
			return errors.New("a job is neither taken nor refused")
		})
	}
	harm()
	s.release()
	s.submit(5, s.hosts, work{})
	room()
	s.settle()
	s.submit(5, s.hosts, work{})
}

// alarm makes the broker believe that it has no memory.
func (s *scene) alarm() {
	s.t.Helper()
	s.t.Cleanup(s.calm)
	s.erlang(func(ctx context.Context) error { return rabbit.SetMemoryLimit(ctx, s.node, "0.000001") })
}

func (s *scene) calm() {
	s.t.Helper()
	s.erlang(func(ctx context.Context) error { return rabbit.SetMemoryLimit(ctx, s.node, "0.4") })
}

// messages waits until a queue holds n messages that are ready.
func (s *scene) messages(queue string, n int) {
	s.t.Helper()
	ch := s.raw()
	s.eventually(func() error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err == nil && q.Messages < n {
			err = fmt.Errorf("queue %s holds %d messages, want %d", queue, q.Messages, n)
		}
		return err
	})
}

// replyQueueHas waits until some reply queue is as full as that.
func (s *scene) replyQueueHas(bytes int) {
	s.t.Helper()
	s.eventually(func() error {
		got := s.eval(`lists:max([0 | [B || I <- rabbit_amqqueue:info_all(<<"%s">>, [message_bytes_ready]), {message_bytes_ready, B} <- I, is_integer(B)]]).`, s.vhost())
		var n int
		if _, err := fmt.Sscan(got, &n); err != nil || n < bytes {
			return fmt.Errorf("the fullest queue has %s bytes, want %d", got, bytes)
		}
		return nil
	})
}

// mount puts a disk of so many MiB at dir.
func (s *scene) mount(dir string, size int) {
	s.t.Helper()
	s.check(os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", size)); err != nil {
		s.t.Skipf("needs a small disk, and mounting a tmpfs is not possible here: %v", err)
	}
	s.mounts = append(s.mounts, dir)
}

// fill leaves no room on dir's disk; the function returned makes it again.
func (s *scene) fill(dir string) (room func()) {
	s.t.Helper()
	ballast := filepath.Join(dir, "ballast")
	s.check(disk.Fill(ballast))
	return func() { s.check(os.Remove(ballast)) }
}

// refused submits until a full disk has the operator refuse a task; what it
// has not refused counts.
func (s *scene) refused(w work) {
	s.t.Helper()
	spec := model.Spec{
		Command: s.command(w), Hosts: s.hosts, StartTimeout: 2 * time.Minute,
		Run: wire.Run{Command: s.command(w), TimeoutMS: 60_000, MaxOutput: 1 << 20},
	}
	s.eventually(func() error {
		_, err := s.engine.Submit(s.t.Context(), spec)
		if err == nil {
			s.submitted++
			return errors.New("a full disk, and no task is refused")
		}
		if !strings.Contains(err.Error(), "the task was not sent") {
			s.t.Errorf("error %q", err)
		}
		return nil
	})
}
