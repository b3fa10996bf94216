package filejob

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

func TestReaderClosed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if _, err = w.WriteString("x"); !readerClosed(err) {
		t.Errorf("%v", err)
	}
	if readerClosed(os.ErrClosed) || readerClosed(nil) {
		t.Error("other errors count")
	}
}

func TestInterruptibleReadEndsWithContext(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	input := interruptible(ctx, r)
	t.Cleanup(func() { _ = errors.Join(w.Close(), input.Close(), r.Close()) })
	if _, err := w.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 7)
	if _, err := io.ReadFull(input, got); err != nil || string(got) != "content" {
		t.Fatalf("%q, %v", got, err)
	}
	ended := make(chan error)
	go func() {
		_, err := input.Read(got)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Errorf("the read ends with %v", err)
	}
}
