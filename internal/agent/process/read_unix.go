//go:build unix

package process

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// hurryReads has each reader read what its pipe holds, and end.
func (p *pipes) hurryReads() {
	for _, f := range p.read {
		if f.SetReadDeadline(time.Unix(1, 0)) != nil {
			f.Close()
		}
	}
}

// errEmpty: nothing is in the pipe now.
var errEmpty = errors.New("the pipe is empty")

// readNow reads without waiting, which os.File does not once its deadline has
// passed. Our end of a pipe is non-blocking (os.Pipe).
func readNow(f *os.File, p []byte) (n int, err error) {
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
