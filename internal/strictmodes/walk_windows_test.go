package strictmodes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/windows"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// grant replaces the access control list of a file: SYSTEM and this user have all
// rights, and Everyone has those in the syntax of SDDL, if any.
func grant(t *testing.T, path, everyone string) {
	t.Helper()
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	sddl := "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;" + user.User.Sid.String() + ")"
	if everyone != "" {
		sddl += "(A;OICI;" + everyone + ";;;WD)"
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		t.Fatal(err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	if err != nil {
		t.Fatal(err)
	}
}

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
	grant(t, path, fileRights)
	grant(t, dir, dirRights)
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
	grant(t, sub, "")
	grant(t, path, "")
	if err := CheckContent(dir, 1); err != nil {
		t.Fatal(err)
	}
	grant(t, path, "FA")
	var others *Error
	if err := CheckContent(dir, 1); !errors.As(err, &others) || others.Path != path {
		t.Errorf("%v", err)
	}
}
