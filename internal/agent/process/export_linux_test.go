package process

// WithoutCgroups has this program start no command in a cgroup from now on.
func WithoutCgroups() { noCgroups.Store(true) }

// HasCgroups reports whether it starts commands in cgroups.
func HasCgroups() bool {
	g := newCgroup("")
	g.remove()
	return g != nil
}

// SweepCgroups removes all cgroups of commands that have no processes.
func SweepCgroups() { sweepCgroups(0) }
