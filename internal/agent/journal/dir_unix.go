//go:build !windows

package journal

import "os"

// Replace renames the file. Open descriptors of old stay valid.
func (d osDir) Replace(made file, from, to string, old file) (file, error) {
	if err := os.Rename(d.Path(from), d.Path(to)); err != nil {
		return old, closing(made, err)
	}
	if old != nil {
		_ = old.Close() // its content is no longer needed
	}
	return made, nil
}

func (d osDir) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return closing(f, f.Sync())
}
