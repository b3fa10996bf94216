package filejob

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/files"
	"warren/internal/filestream"
	"warren/internal/wire"
)

// HelperCommand is the argument with which this program is the helper.
const HelperCommand = "file-helper"

// needContent is the helper's exit code if it needs the content of a push.
const needContent = 100

// An order is what the helper gets, before the content.
type order struct {
	Push    *wire.Push    `json:"push,omitempty"`
	Collect *wire.Collect `json:"collect,omitempty"`
	Paths   []string      `json:"paths,omitempty"`
	Content bool          `json:"content,omitempty"` // the content follows
	Output  int64         `json:"output,omitempty"`  // bytes of output that are kept
}

// maxOrder bounds an order: a request has at most so much.
const maxOrder = wire.MaxRequest

// encode returns the order with its length before it.
func (o *order) encode() ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...), nil
}

// Argv returns the helper's program and arguments.
func Argv() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	return []string{self, HelperCommand}, nil
}

// CollectOutput returns how many bytes a host keeps of the archive of a collect that asks for
// requested, if it keeps most bytes of all archives in dir. An archive that has lost its middle
// is of no use, so that a collect has another limit than a command.
func CollectOutput(requested, most int64, dir string) int64 {
	most /= collectShare
	if free, ok := files.FreeSpace(dir); ok {
		most = min(most, free/collectShare)
	}
	return min(requested, most)
}

// collectShare is the part of the room for archives, and of the free space of the disk, that
// one collect may take: 1 of 2. Another collect can run at the same time, and other programs
// need the disk.
const collectShare = 2

// A Job is a push or a collect.
type Job struct {
	ID       string
	Run      *wire.Run
	Secret   *wire.Secret   // nil: none
	Broker   broker.Options // of the connection for the content
	Contents *Contents      // if the content comes through the host's queue

	ChunkTimeout time.Duration // as in filestream.Receiver

	// Transfer is called with how much of the content the job wants, from the beginning, and
	// how much it has received: when it begins to wait for content, and then every few seconds.
	Transfer func(wanted, received int64)
}

// transferInterval bounds the messages about a transfer from a stream: 10,000 hosts send 2000 in a
// second.
const transferInterval = 5 * time.Second

// Execute runs the job with the spec, which has the helper as its program. The reason
// explains why content is missing.
func (j *Job) Execute(ctx context.Context, run process.Runner, spec process.Spec, started func(process.Identity), out func(process.Chunk)) (r process.Result, reason string) {
	p := j.Run.Push
	o := order{Push: p, Collect: j.Run.Collect, Paths: j.Run.Argv, Output: spec.MaxOutput}
	start := func() process.Result { return j.run(ctx, run, spec, &o, started, out) }
	switch {
	case p == nil:
		return start(), ""
	case p.Queue == "":
		o.Content = true
		if j.Secret != nil {
			content := j.Secret.Content
			spec.Input = func(_ context.Context, w io.Writer) { _, _ = w.Write(content) }
		}
		return start(), ""
	}
	var failed error
	receive := func(size int64) func(context.Context, io.Writer) {
		return func(inputCtx context.Context, w io.Writer) { failed = j.receive(inputCtx, w, size) }
	}
	size := p.Size
	if p.Manifest == nil {
		size += p.ManifestSize
		spec.Input = receive(p.ManifestSize)
	}
	began := time.Now()
	if r = start(); r.Err == nil && r.ExitCode == needContent {
		if spec.Timeout > 0 {
			spec.Timeout = max(spec.Timeout-time.Since(began), 1)
		}
		o.Content, spec.Input = true, receive(size)
		r = start()
	}
	if failed != nil && r.ExitCode != 0 && !r.Canceled {
		reason = failed.Error()
	}
	return r, reason
}

// run runs the helper once.
func (j *Job) run(ctx context.Context, run process.Runner, spec process.Spec, o *order, started func(process.Identity), out func(process.Chunk)) process.Result {
	stdin, err := o.encode()
	if err != nil {
		return process.Result{Err: err, ExitCode: -1}
	}
	spec.Stdin = stdin
	return run(ctx, spec, started, out)
}

// receive passes the first size bytes of the operator's content to the helper. The helper
// closes its input if it does not need the rest.
func (j *Job) receive(ctx context.Context, w io.Writer, size int64) error {
	if j.Secret == nil {
		return errors.New("the key of the content is missing")
	}
	var reported time.Time
	interval := transferInterval
	r := filestream.Receiver{
		Options: j.Broker, Queue: j.Run.Push.Queue, Key: j.Secret.Key, Size: size, ChunkTimeout: j.ChunkTimeout,
		Received: func(n int64) {
			if now := time.Now(); now.Sub(reported) >= interval {
				reported = now
				j.Transfer(size, min(n, size))
			}
		},
	}
	if r.Queue == wire.OwnQueue {
		chunks, stop := j.Contents.wait(j.ID)
		defer stop()
		r.Chunks, interval = chunks, 0 // the operator sends no more than a window ahead of each report
	}
	err := r.Run(ctx, w)
	if errors.Is(err, context.Canceled) || readerClosed(err) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
