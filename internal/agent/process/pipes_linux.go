package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// largePipe is what a pipe for the content of a push holds, so that its two processes take turns
// less often.
const largePipe = 1 << 20

// enlarge has a pipe hold more, if the system permits it.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, largePipe) })
	}
}
