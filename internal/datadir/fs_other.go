//go:build !linux && !darwin && !windows

package datadir

// networkFS returns "": this system is not supported.
func networkFS(string) string { return "" }
