//go:build unix

package rabbittest

import "syscall"

// shareNothing keeps the tests' directories from being their group's to write, which
// an agent would refuse.
func shareNothing() { syscall.Umask(0o022) }
