package lineedit

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"warren/repl/term"
)

// A line that was asked for before Ctrl-C comes at the next call.
func TestLineReaderKeepsTheLineOfAnInterruptedRead(t *testing.T) {
	in, out := io.Pipe()
	r := NewPlainReader(in, nil, nil)
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt
	if _, err := r.Next(t.Context(), interrupts, "warren> "); !errors.Is(err, term.ErrInterrupted) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(ctx, interrupts, "warren> "); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() { _, _ = out.Write([]byte("hello\n")); _ = out.Close() }()
	if line, err := r.Next(t.Context(), interrupts, "warren> "); err != nil || line != "hello" {
		t.Errorf("%q, %v", line, err)
	}
	if _, err := r.Next(t.Context(), interrupts, "warren> "); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// A file of commands may begin with a byte order mark.
func TestPlainReaderReadsByteOrderMark(t *testing.T) {
	const text = "first 汉\r\n\ufeffsecond\n"
	for name, mark := range map[string]encoding.Encoding{
		"UTF-8":           unicode.UTF8BOM,
		"UTF-16":          unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM),
		"UTF-16, swapped": unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM),
		"no mark":         encoding.Nop,
	} {
		file, err := mark.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		r := NewPlainReader(strings.NewReader(file), nil, nil)
		for _, want := range []string{"first 汉", "\ufeffsecond"} {
			if line, err := r.Next(t.Context(), nil, ""); line != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", name, line, err, want)
			}
		}
	}
}
