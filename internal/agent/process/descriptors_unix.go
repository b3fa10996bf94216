//go:build unix

package process

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInheritedOnExec sets close-on-exec on the descriptors that this program
// inherited, except its standard streams. Otherwise a background process could hold a
// lock, a pipe or a socket of the agent's parent for as long as it runs.
func CloseInheritedOnExec() {
	entries, _ := os.ReadDir("/dev/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
