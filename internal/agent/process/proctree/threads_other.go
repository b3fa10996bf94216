//go:build !linux

package proctree

// availableThreads reports no limit: only Linux is supported.
func availableThreads() (available int, limited bool) { return 0, false }
