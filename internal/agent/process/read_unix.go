//go:build unix

package process

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// unblockReads makes each reader read what its pipe holds, and then end.
func (p *pipes) unblockReads() {
	for _, f := range p.read {
		if f.SetReadDeadline(time.Unix(1, 0)) != nil {
			f.Close()
		}
	}
}

var errEmpty = errors.New("the pipe is empty")

// readAvailable reads without blocking. os.File does not read after its deadline has
// passed. This program's end of a pipe is non-blocking (os.Pipe).
func readAvailable(f *os.File, p []byte) (n int, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := c.Control(func(fd uintptr) {
		for {
			if n, err = unix.Read(int(fd), p); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return 0, cerr
	case errors.Is(err, unix.EAGAIN):
		return 0, errEmpty
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
