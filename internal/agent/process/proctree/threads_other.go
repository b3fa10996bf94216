//go:build !linux

package proctree

// threadRoom: other systems are not asked how many threads they permit.
func threadRoom() (room int, bounded bool) { return 0, false }
