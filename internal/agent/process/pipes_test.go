//go:build unix

package process

import (
	"bytes"
	"os"
	"testing"
)

// After unblockReads, a reader that was not scheduled before still reads what the pipe
// holds.
func TestUnblockedReaderReadsAvailableBytes(t *testing.T) {
	printed := bytes.Repeat([]byte("0123456789abcdef"), 4000) // less than a pipe holds
	for _, open := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		if _, err := w.Write(printed); err != nil {
			t.Fatal(err)
		}
		if !open {
			w.Close()
		}
		(&pipes{read: [2]*os.File{r, r}}).unblockReads()
		blocks, held := make(chan []byte), make(chan bool, 1)
		go func() {
			defer close(blocks)
			held <- readBlocks(r, blocks)
		}()
		var got []byte
		for b := range blocks {
			got = append(got, b...)
		}
		if !bytes.Equal(got, printed) {
			t.Errorf("%d of %d bytes were read", len(got), len(printed))
		}
		if h := <-held; h != open {
			t.Errorf("held open: %v, want %v", h, open)
		}
	}
}
