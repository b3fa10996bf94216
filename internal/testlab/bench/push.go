package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A pushing is the state of the measurement.
type pushing struct {
	*separate
	file string
}

// push copies a file to hosts that are processes, once anew and once more, and in turn with
// clush.
func push(b *bench, ctx context.Context) error {
	return withSeparate(b, ctx, b.cfg.Separate, "target", func(s *separate) error {
		p := &pushing{s, b.path("pushed")}
		return p.measure(ctx)
	})
}

func (p *pushing) measure(ctx context.Context) error {
	if err := fillFile(p.file, 1); err != nil {
		return err
	}
	idle, err := p.run(ctx, "tiny")
	if err != nil {
		return err
	}
	if err := fillFile(p.file, p.cfg.PushSize); err != nil {
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
	if err := errors.Join(p.removePushed(), p.leaveRelay(ctx)); err != nil {
		return err
	}
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

func (p *pushing) judge(idle, anew, again fileRun) {
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

// run pushes the file once.
func (p *pushing) run(ctx context.Context, name string) (fileRun, error) {
	return p.warren(ctx, "push", p.file, "--to", filepath.Join(p.dir, name), "--hosts", p.hosts.expr(p.hosts.hosts), "--data-dir", p.path("push"), "--timeout", "30m")
}

// removePushed makes room, and lets the disk come to rest.
func (p *pushing) removePushed() error {
	files, err := filepath.Glob(filepath.Join(p.lab.Dir, "agents", "*.private", "*"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// compareClush copies the file with clush over connections that are open already.
func (p *pushing) compareClush(ctx context.Context, took time.Duration) error {
	s, err := p.ssh(ctx)
	if s == nil || err != nil {
		return err
	}
	p.say("the same with clush")
	clush, err := s.copy(p.file, filepath.Join(p.dir, "file"))
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
