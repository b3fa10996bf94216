package process

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

// pipes are our ends of a command's standard streams. They are files of our
// own, not os/exec's, so that Wait waits for the process alone and not for
// whoever inherited an end.
type pipes struct {
	read   [2]*os.File // stdout, stderr
	stdin  *os.File    // nil: the command reads the null device
	theirs []*os.File  // the command's ends, to be closed once it has them
}

// attach makes the pipes and gives their other ends to cmd. They belong to the
// user that the command runs as: otherwise it could not open /dev/stderr.
func attach(cmd *exec.Cmd, stdin bool, u *User) (*pipes, error) {
	p := new(pipes)
	for i := range p.read {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		p.read[i] = r
		p.theirs = append(p.theirs, w)
		u.ownPipe(w)
	}
	cmd.Stdout, cmd.Stderr = p.theirs[0], p.theirs[1]
	if stdin {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		p.stdin = w
		p.theirs = append(p.theirs, r)
		u.ownPipe(r)
		cmd.Stdin = r
	}
	return p, nil
}

// closeTheirs closes the command's ends in this process.
func (p *pipes) closeTheirs() {
	for _, f := range p.theirs {
		f.Close()
	}
	p.theirs = nil
}

// closeReads may be called again, and while a reader reads: that ends it.
func (p *pipes) closeReads() {
	for _, f := range p.read {
		if f != nil {
			f.Close()
		}
	}
}

// closeStdin may be called again, and while the feeder writes: that ends it.
func (p *pipes) closeStdin() {
	if p.stdin != nil {
		p.stdin.Close()
	}
}

func (p *pipes) close() {
	p.closeTheirs()
	p.closeReads()
	p.closeStdin()
}

// smallRead is the size of a reader's first buffers: a silent command costs no
// more.
const smallRead = 1 << 10

// fullPipe is more than a pipe holds that nobody privileged has enlarged (pipe(7),
// pipe-max-size), and so the most that is read of one without waiting: whoever
// goes on writing is not read for ever.
const fullPipe = 1 << 20

// readBlocks sends what comes from f until f ends or is closed; hurried
// (hurryReads), it sends what is there and tells whether f may still be written
// to. Its receiver always receives until it returns, so the send has no second
// exit. A block is the receiver's until it receives the next one: two buffers
// in turn are enough, since the channel has no slot.
func readBlocks(f *os.File, blocks chan<- []byte) (open bool) {
	var buffers [2][]byte
	size := smallRead
	read, left := f.Read, fullPipe
	for i := 0; ; {
		if len(buffers[i]) < size {
			buffers[i] = make([]byte, size)
		}
		n, err := read(buffers[i])
		if n > 0 {
			blocks <- buffers[i][:n]
			i = 1 - i
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			read, open = func(p []byte) (int, error) { return readNow(f, p) }, true
		case errors.Is(err, io.EOF):
			return false
		case err != nil || left <= 0:
			return true
		case open:
			left -= n
		}
		if n == size {
			size = min(2*size, ChunkSize)
		}
	}
}

// feed writes data to the command's standard input and closes it. It ends when
// the command closes its end (EPIPE) or we close ours: a command need not read
// what it is given, so neither is an error.
func feed(f *os.File, data []byte) {
	defer f.Close()
	_, _ = f.Write(data)
}
