//go:build unix

package lineedit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/peterh/liner"
	"golang.org/x/sys/unix"
)

// A keyboard sits between the terminal and the line editor, which does not support
// bracketed paste: a goroutine copies the input through a pasteFilter. It runs only while
// a line is read, so that it takes no input of other programs.
type keyboard struct {
	terminal int
	screen   io.Writer // for the modes of the terminal
	to       *os.File // the pipe that the editor reads; nil where there is none
	from     *os.File
	filter   pasteFilter

	// A prompt that the process's end leaves open is closed by another goroutine
	// than the one that reads.
	mu      sync.Mutex
	stop    *os.File // closed to end the copying; nil while there is none
	stopped chan struct{}
}

// escapeTime is how long the rest of an escape sequence may take.
const escapeTime = 25 * time.Millisecond

func openKeyboard(screen io.Writer) *keyboard {
	k := &keyboard{terminal: int(os.Stdin.Fd()), screen: screen}
	var fds [2]int
	if unix.Pipe(fds[:]) != nil {
		return k
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	k.from, k.to = os.NewFile(uintptr(fds[0]), "keyboard"), os.NewFile(uintptr(fds[1]), "keyboard")
	return k
}

// newLiner opens the editor on the pipe. It reads os.Stdin as that is now, and
// sets the modes of descriptor 0.
func (k *keyboard) newLiner() *liner.State {
	if k.to == nil {
		return liner.NewLiner()
	}
	stdin := os.Stdin
	os.Stdin = k.from
	defer func() { os.Stdin = stdin }()
	return liner.NewLiner()
}

// open begins to copy.
func (k *keyboard) open() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.to == nil || k.stop != nil {
		return
	}
	read, stop, err := os.Pipe()
	if err != nil {
		return
	}
	fmt.Fprint(k.screen, pasteOn)
	stopped := make(chan struct{})
	k.stop, k.stopped = stop, stopped
	go func() {
		defer close(stopped)
		defer read.Close()
		k.copy(int(read.Fd()))
	}()
}

// close ends the copying.
func (k *keyboard) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop == nil {
		return
	}
	_ = k.stop.Close()
	<-k.stopped
	k.stop = nil
	fmt.Fprint(k.screen, pasteOff)
}

// copy copies until stop can be read. What the editor has not taken yet stays
// in the pipe, and beyond that here: then no more is read.
func (k *keyboard) copy(stop int) {
	buf := make([]byte, 4096)
	for {
		wait := time.Hour
		if len(k.filter.held) > 0 && !k.filter.within {
			wait = escapeTime
		}
		ready, stopped := readable(k.terminal, stop, wait)
		if stopped {
			return
		}
		var out []byte
		if ready {
			n, err := unix.Read(k.terminal, buf)
			switch {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
				continue
			case err != nil || n == 0:
				_ = k.to.Close() // io.EOF for the editor
				k.to = nil
				return
			}
			out = k.filter.feed(buf[:n])
		} else {
			out = k.filter.flush()
		}
		if !k.write(out, stop) {
			return
		}
	}
}

// write sends bytes to the editor. It gives up if the pipe is full after the editor has
// stopped reading.
func (k *keyboard) write(b []byte, stop int) bool {
	for len(b) > 0 {
		n := min(len(b), pipeChunk)
		if !writable(int(k.to.Fd()), stop) {
			return false
		}
		if _, err := k.to.Write(b[:n]); err != nil && !errors.Is(err, io.ErrShortWrite) {
			return false
		}
		b = b[n:]
	}
	return true
}

// pipeChunk is what a pipe takes without blocking once it can be written
// (PIPE_BUF, pipe(7)).
const pipeChunk = 512

// readable waits until fd can be read, stop can, or the time is over.
func readable(fd, stop int, wait time.Duration) (ready, stopped bool) {
	timeout := unix.NsecToTimeval(wait.Nanoseconds())
	var set unix.FdSet
	set.Set(fd)
	set.Set(stop)
	if _, err := unix.Select(max(fd, stop)+1, &set, nil, nil, &timeout); err != nil {
		return false, false // EINTR: look again
	}
	return set.IsSet(fd), set.IsSet(stop)
}

// writable waits until fd can be written; false where stop can be read first.
func writable(fd, stop int) bool {
	for {
		var in, out unix.FdSet
		in.Set(stop)
		out.Set(fd)
		if _, err := unix.Select(max(fd, stop)+1, &in, &out, nil, nil); err != nil {
			continue
		}
		return out.IsSet(fd)
	}
}
