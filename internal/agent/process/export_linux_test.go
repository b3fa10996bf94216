package process

import "warren/internal/agent/process/proctree"

// WithoutCgroups has this program start no command in a cgroup from now on.
func WithoutCgroups() { proctree.CgroupsDisabled.Store(true) }

// HasCgroups reports whether it starts commands in cgroups.
func HasCgroups() bool {
	g := proctree.NewCgroup("")
	g.Remove()
	return g != nil
}

// SweepCgroups removes all cgroups of commands that have no processes.
func SweepCgroups() { proctree.SweepCgroups(0) }
