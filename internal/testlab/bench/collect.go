package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A collecting is the state of the measurement.
type collecting struct{ *separate }

// collect copies a file from each of some hosts that are processes, and in turn with clush.
func collect(b *bench, ctx context.Context) error {
	return withSeparate(b, ctx, b.cfg.Separate, "collected", func(s *separate) error { return collecting{s}.measure(ctx) })
}

func (c collecting) measure(ctx context.Context) error {
	idle, err := c.turn(ctx, "tiny", 1)
	if err != nil {
		return err
	}
	c.say("%s", c.what())
	r, err := c.turn(ctx, "file", c.cfg.CollectSize)
	if err != nil {
		return err
	}
	what, all := c.what()+": ", float64(c.cfg.CollectSize)*float64(c.hosts.hosts)
	c.report.figure(Figure{What: what + "bytes into the broker, requests and acknowledgments included", Found: float64(r.sent) / all, Unit: "× the files'"})
	c.report.figure(Figure{What: what + "whole process of warren", Found: r.took.Seconds(), Unit: "s"})
	c.report.figure(Figure{What: what + "processor of the operator", Found: r.cpu.Seconds(), Unit: "s"})
	c.report.figure(Figure{What: what + "memory of the operator, beyond that of a collect of 1 byte", Found: inMiB(r.operator - idle.operator), Unit: "MiB"})
	c.report.figure(Figure{What: what + "memory of an agent and its process for the collect, beyond idle", Found: inMiB(r.agent), Unit: "MiB"})
	c.report.figure(Figure{What: "1 byte: whole process of warren", Found: idle.took.Seconds(), Unit: "s"})
	if err := c.leaveRelay(ctx); err != nil {
		return err
	}
	direct, err := c.turn(ctx, "file", c.cfg.CollectSize)
	if err != nil {
		return err
	}
	c.report.figure(Figure{What: what + "whole process of warren, without the relay that counts bytes", Found: direct.took.Seconds(), Unit: "s"})
	return c.compareClush(ctx, direct.took)
}

func (c collecting) what() string {
	return fmt.Sprintf("%.4g MiB from each of %d hosts", inMiB(c.cfg.CollectSize), c.hosts.hosts)
}

// turn collects a file of each host once. The contents differ and cannot be compressed.
func (c collecting) turn(ctx context.Context, name string, size int64) (r fileRun, err error) {
	if err := c.fillHosts(name, size); err != nil {
		return r, err
	}
	out := c.path("saved-" + name)
	r, err = c.warren(ctx, "collect", filepath.Join(c.dir, name), "--hosts", c.hosts.expr(c.hosts.hosts), "--save", out, "--data-dir", c.path("collect"), "--timeout", "30m")
	return r, errors.Join(err, os.RemoveAll(out))
}

// compareClush copies such files with clush over connections that are open already.
func (c collecting) compareClush(ctx context.Context, took time.Duration) error {
	s, err := c.ssh(ctx)
	if s == nil || err != nil {
		return err
	}
	c.say("the same with clush")
	out := c.path("saved-by-clush")
	dirs, err := filepath.Glob(filepath.Join(c.sshDir(), "host-*"))
	err = errors.Join(err, fillEach(dirs, "file", c.cfg.CollectSize), os.Mkdir(out, 0o755))
	begin := time.Now()
	if err == nil {
		err = s.clush("--rcopy", filepath.Join(c.dir, "file"), "--dest", out)
	}
	clush := time.Since(begin)
	if err = errors.Join(err, s.stop()); err != nil {
		return err
	}
	c.report.figure(Figure{What: c.what() + ": clush --rcopy over warm ssh", Found: clush.Seconds(), Unit: "s"})
	c.report.bar(Bar{Number: 9, What: c.what() + ": time, beside clush --rcopy over warm ssh", Found: took.Seconds() / clush.Seconds(), Limit: 1, Unit: "× clush"})
	return nil
}
