//go:build !windows

package term

// TakesColors: what is a terminal takes them; one that does not says so in TERM.
func TakesColors() bool { return true }
