//go:build unix

package signing

import (
	"fmt"
	"os"
	"syscall"
)

// checkMode refuses, as ssh does, a private key of ours that others may read.
func (f *keyFile) checkMode() error {
	st, ok := f.info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() || f.info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("key %s is readable by others (mode %04o)\nhint: chmod 600 %s", f.path, f.info.Mode().Perm(), f.path)
}
