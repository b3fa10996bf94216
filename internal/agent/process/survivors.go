package process

import (
	"errors"
	"time"

	"warren/internal/agent/process/proctree"
)

// Survivors is what KillSurvivors did.
type Survivors struct {
	// Killed is how many processes of the command it found alive and ended. A
	// process that was born between the look and the kill is not counted.
	Killed int
	// Left is what could not be ended, at most proctree.MaxDescribed entries; LeftCount is the
	// true number.
	Left      []proctree.Process
	LeftCount int
}

var errUnrecorded = errors.New("its process id was not recorded, so some of its processes may still run")

// KillSurvivors ends what is left of a command that was running when its agent
// was killed, in the same way as a timeout does: TERM, the grace time, KILL. id
// is the command's leader as it was recorded; it is the zero Identity where the
// agent did not come to record it. mark is the command's Spec.Mark.
//
// It ends only what it proves to be the command's, and nothing in this program's
// own session. See tree for what is proof.
//
// A nil error is the certainty that nothing is alive of the command's process
// group, on Linux of its session and its cgroup. Otherwise the error says what
// may be alive and why; it is worded for an outcome's reason. Without an id only
// a cgroup gives that certainty, because a process that has cleared its
// environment is not found.
//
// On Windows the command ended with its agent, when the system closed the last
// handle of the job object; there is nothing to do.
func KillSurvivors(id proctree.Identity, mark string, grace time.Duration) (Survivors, error) {
	return killSurvivors(id, mark, grace)
}
