package target

import (
	"fmt"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// diskWarnings are the warnings about agents that cannot write to their disk.
var diskWarnings = []struct {
	disk       wire.Disk
	text, hint string
}{
	{wire.DiskFull, "the disk is full on %s", "make room in the agent's data directory: until then output is kept in memory only, and after some hundred commands no more start"},
	{wire.DiskQuota, "the agent's disk quota is used up on %s", "raise the quota, or make room in the agent's data directory"},
	{wire.DiskReadOnly, "the file system of the agent's data directory is read-only on %s", "no command starts there until the file system is writable: mount it writable again"},
	{wire.DiskFailing, "the disk of the agent's data directory reports errors on %s", "see the kernel log of the host"},
}

// warnOfDisks warns of agents that have just said that they cannot write.
func (env *Env) warnOfDisks(agents []model.Agent) {
	hosts := map[wire.Disk][]string{}
	for i := range agents {
		hosts[agents[i].Disk] = append(hosts[agents[i].Disk], agents[i].Agent)
	}
	for _, w := range diskWarnings {
		if len(hosts[w.disk]) > 0 {
			env.Out.Note("warning: %s", fmt.Sprintf(w.text, hostexpr.Fold(hosts[w.disk])))
			env.Out.Note("hint: %s", w.hint)
		}
	}
}
