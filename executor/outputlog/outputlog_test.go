package outputlog

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func testLog(t *testing.T, dir string) {
	o, err := Open(dir, 1600, 0) // segments of 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var refs []Ref
	data := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 30) }
	for i := range 200 {
		r, err := o.Put("job", "stdout", int64(30*i), data(i))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	if o.total > 1600 {
		t.Errorf("%d bytes kept, the bound is 1600", o.total)
	}
	first := -1
	for i, r := range refs {
		got, err := o.Get(r)
		if !o.Has(r) {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("chunk %d is gone, but: %v", i, err)
			}
			if first >= 0 {
				t.Errorf("chunk %d is gone, and the older chunk %d is not", i, first)
			}
			continue
		}
		if first < 0 {
			first = i
		}
		if err != nil || !bytes.Equal(got, data(i)) {
			t.Errorf("chunk %d: %v %v", i, got, err)
		}
	}
	if kept := len(refs) - first; first < 0 || kept < 40 {
		t.Errorf("only %d chunks are kept", kept)
	}
	if o.Has(Ref{Size: 10}) {
		t.Error("it has a chunk that was never kept")
	}
	if err := o.DropBefore(o.newest); err != nil {
		t.Fatal(err)
	}
	if o.Has(refs[len(refs)-8]) {
		t.Error("dropped segments are still there")
	}
}

func TestOutputInMemory(t *testing.T) { testLog(t, "") }

func TestOutputInFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "output")
	testLog(t, dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

func TestOutputSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	o, err := Open(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Put("job", "stderr", 5, []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is closed: the process is killed.
	again, err := Open(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Get(r); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := again.Put("job", "stdout", 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := again.Get(r); err != nil || string(got) != "kept" {
		t.Errorf("after another: %q, %v", got, err)
	}
	if again.total != 7 {
		t.Errorf("counts %d bytes", again.total)
	}
	o.Close()
}

// The power took the files, but not what the journal says of them.
func TestNewOutputIsNotMistakenForLostOutput(t *testing.T) {
	dir := t.TempDir()
	o, err := Open(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Put("job", "stdout", 0, []byte("old"))
	if err == nil {
		err = errors.Join(o.Close(), os.RemoveAll(dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, 1600, r.Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Put("job", "stdout", 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := again.Get(r); again.Has(r) || err == nil {
		t.Errorf("what is gone reads %q", got)
	}
}
