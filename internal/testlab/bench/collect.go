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
	"time"

	"warren/internal/testlab/bench/part"
	"warren/internal/testlab/lab"
)

// A collecting is the state of the measurement.
type collecting struct {
	*bench
	relay *relay
	lab   *lab.Lab
	hosts fleet
	dir   string // directory on the hosts
}

// collect copies a file from each of some hosts that are processes, and in turn with clush.
func collect(b *bench, ctx context.Context) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errNeedsMounts
	}
	c := &collecting{bench: b, hosts: fleet{prefix: b.unique(), hosts: separateHosts}, dir: b.path("collected")}
	if err := c.prepare(ctx); err != nil {
		return errors.Join(err, c.stop())
	}
	return errors.Join(c.measure(ctx), c.stop())
}

func (c *collecting) prepare(ctx context.Context) error {
	broker, err := url.Parse(c.url)
	if err != nil {
		return err
	}
	if c.relay, err = newRelay(broker.Host); err != nil {
		return err
	}
	broker.Host = c.relay.addr()
	c.url = broker.String()
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return err
	}
	c.say("starting %d agents", c.hosts.hosts)
	c.lab, err = lab.Start(ctx, lab.Config{Hosts: c.hosts.names(c.hosts.hosts), Broker: c.url, Warrend: c.programs.warrend, Private: c.dir})
	return err
}

func (c *collecting) stop() (err error) {
	if c.lab != nil {
		err = c.lab.Stop()
	}
	if c.relay != nil {
		err = errors.Join(err, c.relay.close())
	}
	return err
}

func (c *collecting) measure(ctx context.Context) error {
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
	return c.compareClush(ctx, r.took)
}

func (c *collecting) what() string {
	return fmt.Sprintf("%.4g MiB from each of %d hosts", inMiB(c.cfg.CollectSize), c.hosts.hosts)
}

// turn collects a file of each host once. The contents differ and cannot be compressed.
func (c *collecting) turn(ctx context.Context, name string, size int64) (r pushRun, err error) {
	dirs, err := filepath.Glob(filepath.Join(c.lab.Dir, "agents", "*.private"))
	if err == nil && len(dirs) != c.hosts.hosts {
		err = fmt.Errorf("%d hosts have directories of their own", len(dirs))
	}
	if err = errors.Join(err, fillEach(dirs, name, size)); err != nil {
		return r, err
	}
	out := c.path("saved-" + name)
	cmd := c.command(c.programs.warren, "collect", filepath.Join(c.dir, name), "--hosts", c.hosts.expr(c.hosts.hosts), "--save", out, "--data-dir", c.path("collect"), "--timeout", "30m")
	cmd.Env = append(cmd.Env, "WARREN_IDENTITY="+c.lab.Identity)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	watch, err := watchMemory(c.lab.PIDs()[:watchedAgents])
	if err != nil {
		return r, err
	}
	before, begin := c.relay.up.Load(), time.Now()
	err = cmd.Run()
	r.took = time.Since(begin)
	r.sent, r.agent = c.relay.up.Load()-before, watch()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, said.String())
	}
	r.operator, r.cpu = part.PeakOf(cmd.ProcessState), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return r, errors.Join(ctx.Err(), os.RemoveAll(out))
}

// fillEach makes a file in each directory.
func fillEach(dirs []string, name string, size int64) error {
	for _, dir := range dirs {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, rand.Reader, size)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// compareClush copies such files with clush over connections that are open already.
func (c *collecting) compareClush(ctx context.Context, took time.Duration) error {
	for _, program := range []string{"clush", "ssh", "ssh-keygen", sshd} {
		if _, err := exec.LookPath(program); err != nil {
			c.say("no comparison with clush: %v", err)
			return nil
		}
	}
	s, err := startSSH(ctx, c.path("ssh"), c.dir, c.hosts.hosts)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	c.say("the same with clush")
	out := c.path("saved-by-clush")
	dirs, err := filepath.Glob(filepath.Join(c.path("ssh"), "host-*"))
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
