package executor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"warren/executor/decisionlog"
	"warren/internal/agent/process"
	"warren/internal/strictmodes"
	"warren/internal/wire"

	"golang.org/x/sync/errgroup"
)

// Why a running command was stopped.
var (
	errCanceled = errors.New("canceled by the operator")
	errStopped  = errors.New("the agent was stopped")
)

// A report comes from an exec goroutine: its process, some output, or, as its last
// report, how the command ended.
type report struct {
	job     *job // a handle; only the loop looks inside
	process *process.Identity
	chunk   *process.Chunk
	ended   *wire.Ended
	rest    []process.Chunk
}

// pool has the exec goroutines.
type pool struct {
	group   errgroup.Group
	cancels map[*job]context.CancelCauseFunc // of running commands
	leaving chan struct{}                    // closed when they cannot be waited for any longer
	reports chan<- report
}

// start runs a command in a goroutine of its own, which reports until the command has
// ended.
func (p *pool) start(work context.Context, cfg *Config, j *job, spec process.Spec) {
	ctx, stop := context.WithCancelCause(work)
	p.cancels[j] = stop
	spec.Mark, spec.Leave = mark(j.id), p.leaving
	run, reports := j.run, p.reports
	p.group.Go(func() error {
		defer stop(nil)
		// The loop receives until no job runs, so these sends need no second exit.
		started := func(id process.Identity) { reports <- report{job: j, process: &id} }
		out := func(c process.Chunk) { reports <- report{job: j, chunk: &c} }
		ended, rest := cfg.exec(ctx, run, spec, started, out)
		reports <- report{job: j, ended: ended, rest: rest}
		return nil
	})
}

// cancel stops a job's command, if it runs.
func (p *pool) cancel(j *job, cause error) {
	if stop := p.cancels[j]; stop != nil {
		stop(cause)
	}
}

// stop ends all commands; each reports in its turn. A command that cannot be ended is
// given up.
func (p *pool) stop() {
	select {
	case <-p.leaving:
	default:
		close(p.leaving)
	}
	for _, stop := range p.cancels {
		stop(errStopped)
	}
}

// execute starts a job that the journal has as begun.
func (l *loop) execute(work context.Context, j *job) {
	spec, err := l.cfg.spec(j.run, j.secret)
	if err != nil {
		l.journal.end(j, wire.Ended{Outcome: wire.FailedToStart, Reason: err.Error()}, l.cfg.Now())
		l.ended(j)
		return
	}
	spec.Env = process.MergeEnv(spec.Env, []string{"WARREN_TASK=" + j.task, "WARREN_HOST=" + j.host})
	l.named[j] = true
	l.log.Info("began", "job", j.id, "task", j.task, "host", j.host, "issuer", j.issuer, "command", decisionlog.CommandLine(j.run))
	l.pool.start(work, &l.cfg, j, spec)
}

// mark is the environment entry by which a job's processes are known.
func mark(job string) string { return "WARREN_JOB=" + job }

// report takes what an exec goroutine says.
func (l *loop) report(r report, now time.Time) {
	switch {
	case r.process != nil:
		l.journal.started(r.job, r.process, now)
		l.replies.extendQuietPeriod(r.job, now, quietPeriod)
	case r.chunk != nil:
		l.journal.output(r.job, l.output.keep(r.job.id, *r.chunk))
		l.replies.changed(r.job)
	default:
		delete(l.pool.cancels, r.job)
		for _, c := range r.rest {
			l.journal.output(r.job, l.output.keep(r.job.id, c))
		}
		l.output.jobEnded(r.job.id, r.ended)
		l.journal.end(r.job, *r.ended, now)
		l.ended(r.job)
	}
}

// exec runs one command to its end.
func (c *Config) exec(ctx context.Context, run *wire.Run, spec process.Spec, started func(process.Identity), out func(process.Chunk)) (*wire.Ended, []process.Chunk) {
	if len(run.Script) > 0 {
		path, remove, err := c.writeScript(run.Script, spec.User)
		if err != nil {
			return &wire.Ended{Outcome: wire.FailedToStart, Reason: "cannot write the script: " + diskText(err)}, nil
		}
		defer remove()
		spec.Argv = process.ScriptArgv(run.Shell, path, run.Argv, run.Script)
	}
	r := c.Runner(ctx, spec, started, out)
	e := outcome(ctx, run, r)
	if r.Started {
		e.EndedAt, e.CodePage = r.EndedAt.UnixMilli(), c.CodePage()
		e.Stdout = &wire.Stream{Size: r.Stdout.Size, Dropped: r.Stdout.Dropped}
		e.Stderr = &wire.Stream{Size: r.Stderr.Size, Dropped: r.Stderr.Dropped}
	}
	return e, r.Rest
}

// writeScript puts a script into a file that its user alone can read. In the data
// directory nobody but the agent's own user can look, so another's script is put
// where temporary files are, in a directory of its own that he may only pass.
func (c *Config) writeScript(content []byte, u *process.User) (path string, remove func(), err error) {
	if u.Name == userName() {
		path, err = writeScriptIn(c.DataDir, content, u)
		return path, func() { os.Remove(path) }, err
	}
	dir, err := os.MkdirTemp("", "warren-script-")
	if err != nil {
		return "", nil, err
	}
	if err = os.Chmod(dir, 0o711); err == nil {
		_, err = strictmodes.Stat(dir) // or others could put another script in its place
	}
	if err == nil {
		path, err = writeScriptIn(dir, content, u)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() { os.RemoveAll(dir) }, nil
}

// sweepScripts removes the scripts that an agent which was killed has left in its
// data directory.
func sweepScripts(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, scriptPattern)) // the pattern is right
	for _, path := range left {
		_ = os.Remove(path) // it stays, and costs its room
	}
}

const scriptPattern = "warren-script-*"

func writeScriptIn(dir string, content []byte, u *process.User) (string, error) {
	// A child that is forked meanwhile would have the file open for writing, and the
	// kernel executes no such file (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(dir, scriptPattern+process.ScriptExtension(content))
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o700)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = u.Chown(f.Name())
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}
