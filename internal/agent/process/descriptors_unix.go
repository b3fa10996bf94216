//go:build unix

package process

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// KeepDescriptors keeps the descriptors that this program was started with, beside
// its standard streams, from its commands. A background process would otherwise
// hold a lock, a pipe or a socket of whoever started the agent for as long as it
// lives.
func KeepDescriptors() {
	entries, _ := os.ReadDir("/dev/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
