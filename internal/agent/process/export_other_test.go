//go:build !linux

package process

func WithoutCgroups() {}

func HasCgroups() bool { return false }

func SweepCgroups() {}
