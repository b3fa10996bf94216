//go:build unix

package signing

import (
	"os"
	"syscall"

	"warren/internal/hint"
	"warren/internal/secretfile"
)

// checkMode refuses, as ssh does, a private key of ours that others may read.
func (f *keyFile) checkMode() error {
	st, ok := f.info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() || f.info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return hint.Errorf(secretfile.Restrict(f.path, false),
		"key %s is readable by others (mode %04o)", f.path, f.info.Mode().Perm())
}
