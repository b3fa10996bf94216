package process

import "warren/internal/agent/process/proctree"

// WithoutCgroups disables cgroups in this program.
func WithoutCgroups() { proctree.CgroupsDisabled.Store(true) }

// HasCgroups reports whether this program starts commands in cgroups.
func HasCgroups() bool {
	g := proctree.NewCgroup("")
	g.Remove()
	return g != nil
}

// SweepCgroups removes all cgroups of commands that have no processes.
func SweepCgroups() { proctree.SweepCgroups(0) }
