package process

import (
	"time"

	"warren/internal/agent/process/proctree"
)

// killSurvivors has nothing to do: the job object was created with
// JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE and without leave to break away, and the
// system closed its one handle when the agent ended. A leader that was not yet
// in the job was suspended, and it stays so: it never ran.
func killSurvivors(proctree.Identity, string, time.Duration) (Survivors, error) {
	return Survivors{}, nil
}
