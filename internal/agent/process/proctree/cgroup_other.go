//go:build unix && !linux

package proctree

// A Cgroup exists only on Linux.
type Cgroup struct{}

func NewCgroup(string) *Cgroup    { return nil }
func FindCgroup(string) *Cgroup   { return nil }
func InCgroupOf(string) bool      { return false }
func (*Cgroup) refresh() error    { return nil }
func (*Cgroup) contains(int) bool { return false }
func (*Cgroup) isEmpty() bool     { return false }
func (*Cgroup) killAll() bool     { return false }
func (*Cgroup) Remove() bool      { return true }
