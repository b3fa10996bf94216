package collect

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An entryOf is what a host puts into an archive.
type entryOf struct {
	header  tar.Header
	content string
}

func fileOf(name, content string) []entryOf {
	sum := sha256.Sum256([]byte(content))
	return []entryOf{
		{tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Format: tar.FormatPAX}, content},
		{recordOf(recordSum, hex.EncodeToString(sum[:])), ""},
	}
}

func recordOf(records ...string) tar.Header {
	h := tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{}}
	for i := 0; i < len(records); i += 2 {
		h.PAXRecords[records[i]] = records[i+1]
	}
	return h
}

func archiveOf(t *testing.T, entries ...entryOf) []byte {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	out := tar.NewWriter(zip)
	for _, e := range entries {
		err := out.WriteHeader(&e.header)
		if err == nil {
			_, err = io.WriteString(out, e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// A hostile host gets a file into no other place, and no more than was asked for. What it
// sent before that is as good as it was.
func TestReadRefusesWhatCollectDoesNotSend(t *testing.T) {
	good := fileOf("etc/good", "good")
	whole := archiveOf(t, good...)
	wrongSum := fileOf("etc/x", "text")
	wrongSum[0].content = "TEXT"
	for _, c := range []struct {
		name    string
		archive []byte
		want    string
		err     string
	}{
		{"good", whole, "/etc/good good", ""},
		{"wrong SHA-256", archiveOf(t, wrongSum...), "/etc/x failed: its content does not match the SHA-256 that the host sent", ""},
		{"above the root", archiveOf(t, append(good, fileOf("../etc/x", "x")...)...), "/etc/good good", "without .."},
		{"above the root later", archiveOf(t, fileOf("etc/../../x", "x")...), "", "without .."},
		{"absolute", archiveOf(t, fileOf("/etc/x", "x")...), "", "not a full path"},
		{"a dot", archiveOf(t, fileOf("etc/./x", "x")...), "", "not a full path"},
		{"two slashes", archiveOf(t, fileOf("etc//x", "x")...), "", "not a full path"},
		{"twice", archiveOf(t, append(good, good...)...), "/etc/good good", "occurs twice"},
		{"a symbolic link", archiveOf(t, entryOf{tar.Header{Typeflag: tar.TypeSymlink, Name: "etc/x", Linkname: "/etc/passwd"}, ""}), "", "is not a file"},
		{"a hard link", archiveOf(t, entryOf{tar.Header{Typeflag: tar.TypeLink, Name: "etc/x", Linkname: "etc/y"}, ""}), "", "is not a file"},
		{"a device", archiveOf(t, entryOf{tar.Header{Typeflag: tar.TypeChar, Name: "etc/x"}, ""}), "", "is not a file"},
		{"a directory", archiveOf(t, entryOf{tar.Header{Typeflag: tar.TypeDir, Name: "etc/x/"}, ""}), "", "is not a file"},
		{"no SHA-256", archiveOf(t, append(fileOf("etc/x", "x")[:1], good...)...), "", "has no SHA-256"},
		{"no SHA-256 at the end", archiveOf(t, fileOf("etc/x", "x")[0]), "", "ends too early"},
		{"no reason", archiveOf(t, entryOf{recordOf(recordPath, "etc/x"), ""}), "", "no reason"},
		{"no path", archiveOf(t, entryOf{recordOf(recordMissing, "why"), ""}), "", "full path"},
		{"too large", archiveOf(t, append(good, fileOf("etc/x", strings.Repeat("x", 97))...)...), "/etc/good good", "larger than --max-size (100 bytes)"},
		{"a long path", archiveOf(t, fileOf(strings.Repeat("d/", 3000)+"x", "x")...), "", "too long"},
		{"truncated", whole[:len(whole)-20], "", "ends too early"},
		{"empty", nil, "", "ends too early"},
		{"not gzip", []byte("hello, this is not an archive"), "", "invalid header"},
		{"not tar", gzipOf(t, strings.Repeat("rubbish ", 200)), "", "invalid tar header"},
		{"a bomb", gzipOf(t, strings.Repeat("\x00", 1024)+strings.Repeat("x", 2<<20)), "", "something follows it"},
	} {
		got, err := readAll(c.archive, 100)
		if c.name == "truncated" { // gzip may have kept all of it back
			got = nil
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: got %q", c.name, text)
		}
		if (c.err == "") != (err == nil) || err != nil && (!errors.Is(err, errArchive) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// JSON has no time after the year 9999.
func TestReadForgetsTimesThatJSONDoesNotHave(t *testing.T) {
	for at, want := range map[int64]int64{253402300799: 253402300799, 253402300800: time.Time{}.Unix(), -1 << 40: time.Time{}.Unix()} {
		file := fileOf("etc/x", "x")
		file[0].header.ModTime = time.Unix(at, 0)
		var got *File
		err := Read(bytes.NewReader(archiveOf(t, file...)), 100, Sink{Done: func(f *File) error { got = f; return nil }})
		if err != nil || got.ModTime.Unix() != want {
			t.Errorf("%d: %+v, %v, want %d", at, got, err, want)
		}
	}
}

func gzipOf(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	_, err := io.WriteString(zip, text)
	if err := errors.Join(err, zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file that the sink could not take has failed, and the next ones come.
func TestReadGoesOnAfterAFailureOfTheSink(t *testing.T) {
	archive := archiveOf(t, append(fileOf("a", "aaaa"), fileOf("b", "b")...)...)
	var got []string
	err := Read(bytes.NewReader(archive), 100, Sink{
		File: func(f *File, _ io.Reader) error {
			if f.Path == "/a" {
				return errors.New("no space")
			}
			return nil
		},
		Done: func(f *File) error {
			got = append(got, f.Path+f.Failed)
			return nil
		},
	})
	if text := strings.Join(got, " "); err != nil || text != "/ano space /b" {
		t.Errorf("%s, %v", text, err)
	}
}

func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if err := Archive(context.Background(), Request{Paths: []string{dir, dir + "/none"}, MaxSize: 100, MaxArchive: 1 << 20}, &archive); err != nil {
		f.Fatal(err)
	}
	zip, err := gzip.NewReader(&archive)
	if err != nil {
		f.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var archive bytes.Buffer
		w := gzip.NewWriter(&archive)
		_, _ = w.Write(text)
		_ = w.Close()
		var size int64
		_ = Read(&archive, 100, Sink{Done: func(f *File) error {
			size += f.Size
			for element := range strings.SplitSeq(f.Path, "/") {
				if f.Missing == "" && element == ".." {
					t.Errorf("a path is %q", f.Path)
				}
			}
			return nil
		}})
		if size > 100 {
			t.Errorf("%d bytes are taken", size)
		}
	})
}

// A short path in a large header takes the memory of the path, also while the rest of the archive is read.
func TestReadKeepsNoHeaders(t *testing.T) {
	const headers = 16
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	tarred := tar.NewWriter(zip)
	large := strings.Repeat("x", 900<<10)
	for i := range headers {
		name := fmt.Sprintf("é%d", i)
		err := errors.Join(
			tarred.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, PAXRecords: map[string]string{"WARREN.x": large}}),
			tarred.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{recordFailed: "no", "WARREN.x": large}}),
			tarred.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{recordPath: name + "b", recordMissing: "no", "WARREN.x": large}}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tarred.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var got []*File
	before, took := heap(), int64(0)
	err := Read(&archive, 1<<20, Sink{Done: func(f *File) error {
		if got = append(got, f); len(got) == 2*headers {
			took = heap() - before
		}
		return nil
	}})
	if err != nil || len(got) != 2*headers {
		t.Fatalf("%d files, %v", len(got), err)
	}
	t.Logf("%d headers of 900 KiB: %d KiB are kept", 3*headers, took>>10)
	if took > 4<<20 {
		t.Error("it is too much")
	}
	runtime.KeepAlive(got)
}
