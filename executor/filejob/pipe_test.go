package filejob

import (
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
