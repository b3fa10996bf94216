//go:build unix

package datadir

import "os"

// makeAll creates dir and its missing parents.
func makeAll(dir string) error { return os.MkdirAll(dir, 0o700) }
