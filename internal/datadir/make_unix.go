//go:build unix

package datadir

import "os"

// MakeAll creates dir and its missing parents, for this user alone.
func MakeAll(dir string) error { return os.MkdirAll(dir, 0o700) }
