package journal

import (
	"errors"
	"fmt"
	"io"
)

// windowSize is how many bytes of the file are read at a time.
const windowSize = 64 << 10

// A window reads a file from beginning to end, a part at a time.
type window struct {
	f    io.ReaderAt
	size int64 // of the file
	from int64 // offset of buf
	buf  []byte
}

// at returns n bytes of the file at offset, valid until the next call. They must be within size.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if i := offset - w.from; i >= 0 && i+int64(n) <= int64(len(w.buf)) {
		return w.buf[i : i+int64(n)], nil
	}
	want := int(min(int64(max(n, windowSize)), w.size-offset))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.from, w.buf = offset, w.buf[:want]
	if _, err := w.f.ReadAt(w.buf, offset); err != nil && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return nil, fmt.Errorf("read at byte %d: %w", offset, err)
	} else if err != nil {
		w.buf = w.buf[:0]
		return nil, fmt.Errorf("read at byte %d: %w", offset, io.ErrUnexpectedEOF)
	}
	return w.buf[:n], nil
}
