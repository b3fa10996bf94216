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
	if o.output.total > 1600 {
		t.Errorf("%d bytes kept, the bound is 1600", o.output.total)
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
	if err := o.DropBefore(o.output.newest()); err != nil {
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
	if again.output.total != 7 {
		t.Errorf("counts %d bytes", again.output.total)
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

// A large archive costs no command its output, and archives have a bound of their own. Both
// find their chunks again after a restart.
func TestArchivesHaveTheirOwnBound(t *testing.T) {
	dir := t.TempDir()
	o, err := OpenBounded(dir, Bounds{Output: 1600, Archives: 16000}, 0)
	if err != nil {
		t.Fatal(err)
	}
	small, err := o.Put("command", "stdout", 0, []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	var refs []Ref
	for i := range 400 {
		r, err := o.PutArchive("collect", "stdout", int64(100*i), bytes.Repeat([]byte{byte(i)}, 100))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	if n := o.archives.total; n > 16000 || n < 14000 {
		t.Errorf("archives of %d bytes", n)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, 1600, refs[len(refs)-1].Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Get(small); err != nil || string(got) != "kept" {
		t.Errorf("the output of a command: %q, %v", got, err)
	}
	for i := len(refs) - 100; i < len(refs); i++ {
		if got, err := again.Get(refs[i]); err != nil || len(got) != 100 || got[0] != byte(i) {
			t.Fatalf("chunk %d: %v, %v", i, got, err)
		}
	}
	next, err := again.PutArchive("another", "stdout", 0, []byte("new"))
	if err != nil || next.Segment <= refs[len(refs)-1].Segment {
		t.Errorf("%+v, %v", next, err)
	}
	if err := again.DropBefore(next.Segment + 1); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if again.Size() != 0 || err != nil || len(left) != 0 {
		t.Errorf("%d bytes and the files %v are left: %v", again.Size(), left, err)
	}
	last, err := again.PutArchive("last", "stdout", 0, []byte("last"))
	if got, err2 := again.Get(last); err != nil || err2 != nil || string(got) != "last" {
		t.Errorf("%q, %v, %v", got, err, err2)
	}
}
