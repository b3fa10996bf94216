package datadir

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"warren/internal/acl"
)

// Only the system and this user can enter a new directory.
func TestNewDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(dir)} {
		file, err := acl.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if holder := file.ForeignHolder(acl.Read | acl.Write); holder != nil {
			t.Errorf("%s: %+v", path, holder)
		}
	}
}

func TestShareIsNetworkFileSystem(t *testing.T) {
	for dir, want := range map[string]bool{
		`\\files\share\warren`: true, `//files/share/warren`: true, `\\?\UNC\files\share\warren`: true,
		`C:\warren`: false, `\\?\C:\warren`: false,
	} {
		if got := networkFS(dir); (got != "") != want {
			t.Errorf("%s: %q", dir, got)
		}
	}
}

// A new directory inherits nothing from its parent.
func TestNewDirectoryIsProtected(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	if control, _, err := sd.Control(); err != nil || control&windows.SE_DACL_PROTECTED == 0 {
		t.Errorf("%x, %v", control, err)
	}
}
