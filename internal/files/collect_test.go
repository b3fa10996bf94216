package files

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCollectArchivesMatchesAndReportsMissingFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs symbolic links")
	}
	dir := t.TempDir()
	logs := filepath.Join(dir, "log")
	write(t, filepath.Join(logs, "a.log"), "a")
	write(t, filepath.Join(logs, "sub", "b.log"), "bb")
	write(t, filepath.Join(dir, "secret"), "s")
	if err := os.Symlink("../secret", filepath.Join(logs, "out.log")); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := Collect(context.Background(), []string{logs + "/*.log", logs + "/sub", logs + "/missing"}, logs, 10, &archive); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		text := string(content)
		if h.PAXRecords[recordMissing] != "" {
			text = "missing"
		}
		got = append(got, strings.TrimPrefix("/"+h.Name, logs)+" "+text)
	}
	if strings.Join(got, ", ") != "/a.log a, /out.log missing, /sub/b.log bb, /missing missing" {
		t.Errorf("got %q", got)
	}
	if err := Collect(context.Background(), []string{logs + "/../secret"}, logs, 10, io.Discard); err == nil {
		t.Error("a path that leads out was collected")
	}
	if err := Collect(context.Background(), []string{logs + "/sub"}, "", 1, io.Discard); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}
