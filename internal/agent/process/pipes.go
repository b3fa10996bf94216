package process

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
)

// pipes holds this program's ends of a command's standard streams. os/exec would
// create its own pipes, and Wait would wait for every process that inherited an end;
// with these pipes Wait waits for the leader alone.
type pipes struct {
	read      [2]*os.File // stdout and stderr
	stdin     *os.File    // nil: the command reads the null device
	childEnds []*os.File  // the command's ends, to close after the start
}

// openPipes creates the pipes and sets the command's ends in cmd. The user of the
// command owns these ends: otherwise it could not open /dev/stderr.
func openPipes(cmd *exec.Cmd, stdin, large bool, u *User) (*pipes, error) {
	p := new(pipes)
	for i := range p.read {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		p.read[i] = r
		p.childEnds = append(p.childEnds, w)
		u.chownPipe(w)
	}
	cmd.Stdout, cmd.Stderr = p.childEnds[0], p.childEnds[1]
	if stdin {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		p.stdin = w
		if large {
			enlarge(w)
		}
		p.childEnds = append(p.childEnds, r)
		u.chownPipe(r)
		cmd.Stdin = r
	}
	return p, nil
}

func (p *pipes) closeChildEnds() {
	for _, f := range p.childEnds {
		f.Close()
	}
	p.childEnds = nil
}

// closeReads may be called again. It ends the readers.
func (p *pipes) closeReads() {
	for _, f := range p.read {
		if f != nil {
			f.Close()
		}
	}
}

// closeStdin may be called again. It ends writeStdin.
func (p *pipes) closeStdin() {
	if p.stdin != nil {
		p.stdin.Close()
	}
}

func (p *pipes) close() {
	p.closeChildEnds()
	p.closeReads()
	p.closeStdin()
}

// initialReadSize is the size of a reader's first buffers: a command without output
// needs no more memory.
const initialReadSize = 1 << 10

// maxPipeCapacity is more than a pipe holds unless a privileged process has enlarged
// it (pipe(7), pipe-max-size). After unblockReads, a reader reads at most this much,
// so that it ends even if a process continues to write.
const maxPipeCapacity = 1 << 20

// readBlocks sends the bytes of f until f ends or is closed. After unblockReads it
// sends the available bytes and reports whether a process may still write to f. The
// receiver always receives until readBlocks returns, so the send needs no second exit.
// The receiver owns a block until it receives the next one: two alternating buffers
// are enough, because the channel is unbuffered.
func readBlocks(f *os.File, blocks chan<- []byte) (open bool) {
	var buffers [2][]byte
	size := initialReadSize
	read, left := f.Read, maxPipeCapacity
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
			read, open = func(p []byte) (int, error) { return readAvailable(f, p) }, true
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

// writeStdin writes data, and then what input writes, to the command's standard input and
// closes it. It ends when the command closes its end (EPIPE) or this program closes its own:
// a command need not read its input, so neither is an error.
func writeStdin(ctx context.Context, f *os.File, data []byte, input func(context.Context, io.Writer)) {
	defer f.Close()
	if _, err := f.Write(data); err == nil && input != nil {
		input(ctx, f)
	}
}
