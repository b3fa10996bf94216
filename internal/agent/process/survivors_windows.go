package process

import (
	"time"

	"warren/internal/agent/process/proctree"
)

// killSurvivors does nothing: the job object was created with
// JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE and no permission to break away, and the system
// closed its only handle when the agent ended. A leader that was not yet in the job is
// suspended and never runs.
func killSurvivors(proctree.Identity, string, time.Duration) (Survivors, error) {
	return Survivors{}, nil
}
