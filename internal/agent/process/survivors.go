package process

import (
	"time"

	"warren/internal/agent/process/proctree"
)

// Survivors is the result of KillSurvivors.
type Survivors struct {
	// Killed counts the processes that were alive and have been ended. It omits a process
	// that was created between the scan and the kill.
	Killed int
	// Left lists the processes that could not be ended, at most proctree.MaxDescribed.
	// LeftCount is the true number.
	Left      []proctree.Process
	LeftCount int
}

// KillSurvivors ends the remaining processes of a command that was running when its
// agent was killed. Like a timeout, it sends TERM, waits for the grace time, and sends
// KILL. id is the recorded identity of the command's leader, or the zero Identity if
// the agent did not record it. mark is the command's Spec.Mark.
//
// It ends only processes that verifiably belong to the command (see proctree.Tree),
// and none in this program's own session.
//
// A nil error means that certainly no process is alive in the command's process group,
// and on Linux in its session and its cgroup. Otherwise the error says which processes
// may be alive and why. Its text is for the reason of an outcome. Without an id only a
// cgroup gives that certainty, because a process that has cleared its environment is
// not found.
//
// On Windows it does nothing: the command ended with its agent, when the system closed
// the last handle of the job object.
func KillSurvivors(id proctree.Identity, mark string, grace time.Duration) (Survivors, error) {
	return killSurvivors(id, mark, grace)
}
