package executor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func testOutputs(t *testing.T, dir string) {
	o, err := openOutputs(dir, 1600, 0) // segments of 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	var refs []ref
	data := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 30) }
	for i := range 200 {
		r, err := o.put("job", "stdout", int64(30*i), data(i))
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
		got, err := o.get(r)
		if !o.has(r) {
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
	if o.has(ref{Size: 10}) {
		t.Error("it has a chunk that was never kept")
	}
	if err := o.dropBefore(o.newest); err != nil {
		t.Fatal(err)
	}
	if o.has(refs[len(refs)-8]) {
		t.Error("dropped segments are still there")
	}
}

func TestOutputsInMemory(t *testing.T) { testOutputs(t, "") }

func TestOutputsInFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "output")
	testOutputs(t, dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

func TestOutputsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	o, err := openOutputs(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.put("job", "stderr", 5, []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is closed: the process is killed.
	again, err := openOutputs(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if got, err := again.get(r); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := again.put("job", "stdout", 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := again.get(r); err != nil || string(got) != "kept" {
		t.Errorf("after another: %q, %v", got, err)
	}
	if again.total != 7 {
		t.Errorf("counts %d bytes", again.total)
	}
	o.close()
}

// The power took the files, but not what the journal says of them.
func TestNewOutputIsNotTakenForWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	o, err := openOutputs(dir, 1600, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.put("job", "stdout", 0, []byte("old"))
	if err == nil {
		err = errors.Join(o.close(), os.RemoveAll(dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := openOutputs(dir, 1600, r.Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if _, err := again.put("job", "stdout", 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := again.get(r); again.has(r) || err == nil {
		t.Errorf("what is gone reads %q", got)
	}
}
