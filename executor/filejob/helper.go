package filejob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"warren/internal/files"
	"warren/internal/files/collect"
	"warren/internal/wire"
)

// Helper is the program of a job's process. It returns the exit code.
func Helper(stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	input := interruptible(ctx, stdin)
	defer input.Close()
	code, err := help(ctx, input, stdout)
	if err != nil {
		if ctx.Err() != nil && !files.IsHalfDone(err) { // what it was reading ended with ctx
			err = ctx.Err()
		}
		fmt.Fprintf(stderr, "error: %v\n", err)
		return 1
	}
	return code
}

func help(ctx context.Context, stdin io.Reader, stdout io.Writer) (code int, err error) {
	o, err := readOrder(stdin)
	if err != nil {
		return 0, err
	}
	if o.Push != nil {
		return push(ctx, o, stdin, stdout)
	}
	return 0, collect.Archive(ctx, collect.Request{Paths: o.Paths, Within: o.Collect.Within, MaxSize: o.Collect.MaxSize, MaxArchive: o.Output}, stdout)
}

func readOrder(r io.Reader) (*order, error) {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return nil, fmt.Errorf("cannot read the order: %w", err)
	}
	if size > maxOrder {
		return nil, errors.New("the order is too large")
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("cannot read the order: %w", err)
	}
	o := new(order)
	if err := json.Unmarshal(text, o); err != nil {
		return nil, fmt.Errorf("cannot read the order: %w", err)
	}
	if o.Push == nil && o.Collect == nil {
		return nil, errors.New("the order is empty")
	}
	return o, nil
}

func push(ctx context.Context, o *order, content io.Reader, stdout io.Writer) (code int, err error) {
	p := o.Push
	m, err := readManifest(p, content)
	if err != nil {
		return 0, err
	}
	t, err := files.Open(m, files.Options{
		Path: p.Path, Within: p.Within, Mode: p.Mode, Owner: p.Owner, Backup: p.Backup, Mkdir: p.Mkdir, CheckOnly: p.CheckOnly,
	})
	if err != nil {
		return 0, err
	}
	defer t.Close()
	if t.NeedsContent() && !o.Content {
		return needContent, nil
	}
	if err := t.Write(ctx, content); err != nil {
		return 0, err
	}
	t.Report(stdout)
	return 0, nil
}

// readManifest returns the manifest of the request, or of the beginning of the content, and
// verifies it.
func readManifest(p *wire.Push, content io.Reader) (*files.Manifest, error) {
	text := p.Manifest
	if text == nil {
		text = make([]byte, p.ManifestSize)
		if _, err := io.ReadFull(content, text); err != nil {
			return nil, files.ErrEndedEarly
		}
	}
	if sum := sha256.Sum256(text); !bytes.Equal(sum[:], p.Digest) {
		return nil, errors.New("the manifest does not match its SHA-256")
	}
	m, err := files.Decode(text)
	if err != nil {
		return nil, err
	}
	if m.Size() != p.Size {
		return nil, errors.New("the manifest has another size than the request")
	}
	return m, nil
}
