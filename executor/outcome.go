package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

// namedProcesses is how many of the surviving processes a reason names.
const namedProcesses = 3

// outcome returns how a command ended: by what ended it, not by what was requested.
func outcome(ctx context.Context, run *wire.Run, r process.Result) *wire.Ended {
	e := &wire.Ended{}
	if r.Started {
		e.Killed, e.Left = r.Killed, r.LeftCount
	}
	switch {
	case r.TimedOut:
		e.Outcome, e.Reason = wire.TimedOut, fmt.Sprintf("still running after %s", run.Timeout())
	case r.Canceled && errors.Is(context.Cause(ctx), errCanceled):
		e.Outcome, e.Reason = wire.Canceled, "stopped while it ran"
		if !r.Started {
			e.Reason = "stopped before it started"
		}
	case r.Canceled:
		e.Outcome, e.Reason = wire.Interrupted, errStopped.Error()
	case !r.Started:
		e.Outcome, e.Reason = wire.FailedToStart, r.Err.Error()
	case errors.Is(r.Err, process.ErrStillRuns):
		e.Outcome, e.Reason = wire.Interrupted, errStopped.Error()+", and the command still runs"
	case r.Err != nil:
		e.Outcome, e.Reason = wire.Interrupted, "it ended, but how is not known: "+r.Err.Error()
	case r.Signal != "":
		e.Outcome, e.Signal = wire.Signaled, r.Signal
	default:
		e.Outcome, e.ExitCode = wire.Exited, new(r.ExitCode)
	}
	e.Reason = joinReasons(e.Reason, failedStop(r), leftovers(e, r.Left), heldOpen(r))
	return e
}

// interrupted returns the outcome of a command that ran when its agent went down.
func interrupted(s process.Survivors, err error) wire.Ended {
	e := wire.Ended{Outcome: wire.Interrupted, Killed: s.Killed, Left: s.LeftCount}
	e.Reason = "the agent or its machine went down while it ran"
	if s.Killed > 0 {
		e.Reason += "; what was left of it has been killed"
	}
	e.Reason = joinReasons(e.Reason, leftovers(&e, s.Left))
	if err != nil {
		e.Reason = joinReasons(e.Reason, err.Error())
	}
	return e
}

// joinReasons joins the parts of a reason.
func joinReasons(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, "; ")
}

// failedStop says that the agent could not end the command.
func failedStop(r process.Result) string {
	if r.StopError == nil {
		return ""
	}
	return "a request to end it failed: " + r.StopError.Error()
}

// leftovers says what became of the processes that a command left behind, and names those that
// survive.
func leftovers(e *wire.Ended, left []process.Process) string {
	background := e.Outcome == wire.Exited || e.Outcome == wire.Signaled
	var killed, lives string
	switch {
	case background && e.Killed == 1:
		killed = "1 background process was killed"
	case background && e.Killed > 1:
		killed = fmt.Sprintf("%d background processes were killed", e.Killed)
	}
	switch {
	case e.Left == 0:
	case background && e.Left == 1:
		lives = "1 background process keeps running"
	case background:
		lives = fmt.Sprintf("%d background processes keep running", e.Left)
	case e.Left == 1:
		lives = "1 process could not be ended and lives on"
	default:
		lives = fmt.Sprintf("%d processes could not be ended and live on", e.Left)
	}
	if len(left) > 0 && lives != "" {
		lives += ": " + nameProcesses(left, e.Left)
	}
	return joinReasons(killed, lives)
}

// nameProcesses names the first of count processes, such as "812 (sleep) of root".
func nameProcesses(left []process.Process, count int) string {
	var names []string
	for _, p := range left[:min(len(left), namedProcesses)] {
		name := fmt.Sprint(p.PID)
		if p.Name != "" {
			name += " (" + p.Name + ")"
		}
		if p.User != "" {
			name += " of " + p.User
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if more := count - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// heldOpen says that output may be missing.
func heldOpen(r process.Result) string {
	if !r.HeldOpen {
		return ""
	}
	return "a process that it left behind holds its output open and may print more"
}
