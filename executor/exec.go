package executor

import (
	"context"
	"errors"
	"time"

	"warren/executor/decisionlog"
	"warren/executor/filejob"
	"warren/executor/jobtable"
	"warren/executor/outbox"
	"warren/executor/scriptfile"
	"warren/internal/agent/process"
	"warren/internal/wire"

	"golang.org/x/sync/errgroup"
)

// Why a running command was stopped.
var (
	errCanceled = errors.New("canceled by the operator")
	errStopped  = errors.New("the agent was stopped")
)

// A report comes from an exec goroutine: the identity of its process, some output, how far the
// content of a push has come, or, as the last one, how the command ended.
type report struct {
	job     *jobtable.Job // only the loop looks inside
	process *process.Identity
	chunk   *process.Chunk
	content *outbox.Content
	ended   *wire.Ended
	rest    []process.Chunk
}

// A pool has the exec goroutines, and those of checks.
type pool struct {
	group    errgroup.Group
	cancels  map[*jobtable.Job]context.CancelCauseFunc // of running commands
	leaving  chan struct{}                             // closed when commands that cannot be killed must be left behind
	reports  chan<- report
	contents *filejob.Contents
}

// start runs a command in a goroutine, which sends reports until the command has ended.
func (p *pool) start(work context.Context, cfg *Config, j *jobtable.Job) {
	ctx, stop := context.WithCancelCause(work)
	p.cancels[j] = stop
	env, leaving := []string{"WARREN_TASK=" + j.Task, "WARREN_HOST=" + j.Host}, p.leaving
	job, reports := filejob.Job{ID: j.ID, Run: j.Run, Secret: j.Secret, Contents: p.contents}, p.reports
	p.group.Go(func() error {
		defer stop(nil)
		// The loop receives until no job runs, so these sends need no second exit.
		started := func(id process.Identity) { reports <- report{job: j, process: &id} }
		out := func(c process.Chunk) { reports <- report{job: j, chunk: &c} }
		job.Transfer = func(wanted, received int64) {
			reports <- report{job: j, content: &outbox.Content{Wanted: wanted, Received: received}}
		}
		spec, err := cfg.spec(job.Run, job.Secret)
		if err != nil {
			reports <- report{job: j, ended: &wire.Ended{Outcome: wire.FailedToStart, Reason: err.Error()}}
			return nil
		}
		spec.Env, spec.Mark, spec.Leave = process.MergeEnv(spec.Env, env), mark(job.ID), leaving
		ended, rest := cfg.exec(ctx, job, spec, started, out)
		reports <- report{job: j, ended: ended, rest: rest}
		return nil
	})
}

// cancel stops a job's command, if it runs.
func (p *pool) cancel(j *jobtable.Job, cause error) {
	if stop := p.cancels[j]; stop != nil {
		stop(cause)
	}
}

// stop kills all commands. Each goroutine sends its last report, even if its command cannot be
// killed.
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

// execute starts the command of a job whose begin is in the journal.
func (l *loop) execute(work context.Context, j *jobtable.Job) {
	l.logged[j] = true
	l.log.Info("began", "job", j.ID, "task", j.Task, "host", j.Host, "issuer", j.Issuer, "command", decisionlog.CommandLine(j.Run))
	l.pool.start(work, &l.cfg, j)
}

// mark returns the environment variable by which a job's processes are found.
func mark(job string) string { return "WARREN_JOB=" + job }

// report handles a report of an exec goroutine.
func (l *loop) report(r report, now time.Time) {
	switch {
	case r.process != nil:
		l.table.ProcessStarted(r.job, r.process, now)
	case r.chunk != nil:
		l.table.AddOutput(r.job, l.output.keep(r.job, *r.chunk))
		l.replies.JobChanged(r.job)
	case r.content != nil:
		l.replies.ContentChanged(r.job, *r.content)
	default:
		delete(l.pool.cancels, r.job)
		for _, c := range r.rest {
			l.table.AddOutput(r.job, l.output.keep(r.job, c))
		}
		l.output.jobEnded(r.job.ID, r.ended)
		l.table.End(r.job, *r.ended, now)
		l.ended(r.job)
	}
}

// exec runs one command, or the files of a job, to its end.
func (c *Config) exec(ctx context.Context, job filejob.Job, spec process.Spec, started func(process.Identity), out func(process.Chunk)) (*wire.Ended, []process.Chunk) {
	run := job.Run
	if content := scriptOf(run); len(content) > 0 {
		script, err := process.NewScript(run.Shell, content)
		if err != nil {
			return &wire.Ended{Outcome: wire.FailedToStart, Reason: err.Error()}, nil
		}
		path, remove, err := scriptfile.Write(c.DataDir, script, spec.User, spec.User.Name == userName())
		if err != nil {
			return &wire.Ended{Outcome: wire.FailedToStart, Reason: "cannot write the script: " + diskText(err)}, nil
		}
		defer remove()
		spec.Argv = process.ScriptArgv(run.Shell, path, run.Argv, script.Content)
	}
	var r process.Result
	var reason string
	if run.HasFiles() {
		job.Broker, job.ChunkTimeout = c.fileBroker(), c.Limits.ChunkTimeout
		r, reason = job.Execute(ctx, c.Runner, spec, started, out)
	} else {
		r = c.Runner(ctx, spec, started, out)
	}
	e := outcome(ctx, run, r)
	e.Reason = joinReasons(e.Reason, reason)
	if r.Started {
		e.EndedAt, e.CodePage = r.EndedAt.UnixMilli(), c.codePage(run)
		e.Stdout = &wire.Stream{Size: r.Stdout.Size, Dropped: r.Stdout.Dropped}
		e.Stderr = &wire.Stream{Size: r.Stderr.Size, Dropped: r.Stderr.Dropped}
	}
	return e, r.Rest
}

// scriptOf returns the script that has to be written to a file, or nil.
func scriptOf(run *wire.Run) []byte {
	if run.Command != "" {
		return process.CommandScript(run.Shell, run.Command)
	}
	return run.Script
}
