//go:build !windows

package facts

// CodePage is 0 where commands print UTF-8, or what their locale says.
func CodePage() int { return 0 }
