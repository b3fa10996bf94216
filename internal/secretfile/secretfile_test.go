package secretfile

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPasswordInAnyEncoding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for saved, want := range map[string]string{
		"hush": "hush", "hush\n": "hush", "hush\r\n": "hush", " hush \n": " hush ",
		"\ufeffhush\r\n": "hush", "\xff\xfeh\x00\xfc\x00\r\x00\n\x00": "hü", "\xfe\xff\x00h": "h", "grüß\n": "grüß",
	} {
		if err := os.WriteFile(path, []byte(saved), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Password(path); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", saved, got, err, want)
		}
	}
	for saved, want := range map[string]string{
		"": "in a single line", "\ufeff": "in a single line", "\n": "in a single line", "a\nb": "in a single line",
		"hush\x00": "line 1 has a NUL character", "h\xfcsh": "line 1 is not UTF-8",
	} {
		if err := os.WriteFile(path, []byte(saved), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Password(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %q, %v; want %s", saved, got, err, want)
		}
	}
}

// A path of macOS has a blank.
func TestCommandQuotesPath(t *testing.T) {
	path := filepath.Join("Application Support", "it's")
	want := map[bool]string{false: "chmod 600 'Application Support/it'\\''s'", true: "chmod 700 'Application Support/it'\\''s'"}
	if runtime.GOOS == "windows" {
		path, want = `C:\Program Files\x`, map[bool]string{false: `icacls "C:\Program Files\x" `, true: `icacls "C:\Program Files\x" `}
		if got := Quote(path); got != `"`+path+`"` {
			t.Errorf("%s", got)
		}
	}
	for dir, want := range want {
		if got := Restrict(path, dir); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
