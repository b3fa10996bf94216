//go:build !linux

package journal

// Allocate writes zeros, which works on any file system.
func (f osFile) Allocate(from, to int64) error { return writeZeros(f, from, to) }

// Sync uses package os, which on darwin also flushes the cache of the drive.
func (f osFile) Sync() error { return f.File.Sync() }
