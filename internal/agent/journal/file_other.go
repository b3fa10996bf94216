//go:build !linux

package journal

// Allocate fills with zeros, which any file system gives room to.
func (f osFile) Allocate(from, to int64) error { return writeZeros(f, from, to) }

// Sync is the package os's: on darwin it has the drive write its cache too.
func (f osFile) Sync() error { return f.File.Sync() }
