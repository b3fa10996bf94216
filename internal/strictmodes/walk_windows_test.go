package strictmodes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/acl/acltest"
	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenRefusesFilesWritableByOthers(t *testing.T) {
	for name, c := range map[string]struct{ file, dir, want string }{
		"nobody else":             {"", "", ""},
		"others read":             {"FR", "FRFX", ""},
		"others write":            {"FW", "", "Everyone may write FILE"},
		"others replace the file": {"", "FA", "Everyone may write the directory DIR"},
	} {
		t.Run(name, func(t *testing.T) { checkOpen(t, c.file, c.dir, c.want) })
	}
}

// The right to delete a file, or the files of a directory, is enough to replace it.
func TestOpenRefusesFilesDeletableByOthers(t *testing.T) {
	checkOpen(t, "SD", "", "Everyone may write FILE")
	checkOpen(t, "", "0x40", "Everyone may write the directory DIR")
}

// checkOpen opens a file, and wants an error unless want is empty.
func checkOpen(t *testing.T, fileRights, dirRights, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etc")
	path := filepath.Join(dir, "file")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	acltest.Grant(t, path, fileRights)
	acltest.Grant(t, dir, dirRights)
	f, err := Open(path)
	if err == nil {
		f.Close()
	}
	want = strings.NewReplacer("FILE", path, "DIR", dir).Replace(want)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Fatalf("%v, want %q", err, want)
	}
	if want != "" && !strings.Contains(hint.Text(err), `icacls "`) {
		t.Errorf("%s", hint.Text(err))
	}
}

func TestCheckContentRefusesFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	path := filepath.Join(sub, "file")
	if err := errors.Join(os.Mkdir(sub, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	acltest.Grant(t, sub, "")
	acltest.Grant(t, path, "")
	if err := CheckContent(dir, 1); err != nil {
		t.Fatal(err)
	}
	acltest.Grant(t, path, "FA")
	var others *Error
	if err := CheckContent(dir, 1); !errors.As(err, &others) || others.Path != path {
		t.Errorf("%v", err)
	}
}
