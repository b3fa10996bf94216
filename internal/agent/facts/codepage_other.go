//go:build !windows

package facts

// CodePage returns 0: commands print UTF-8, or the encoding of their locale.
func CodePage() int { return 0 }
