//go:build !windows

package facts

// codePage is 0 where commands print UTF-8, or what their locale says.
func codePage() int { return 0 }
