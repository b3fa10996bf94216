//go:build !windows

package repl

// takesColors: what is a terminal takes them; one that does not says so in TERM.
func takesColors() bool { return true }
