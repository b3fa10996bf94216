package windowsname

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	for name, want := range map[string]string{
		"a": "", "a b.txt": "", ".hidden": "", "主机.txt": "", "console": "", "com": "", "com10": "", "nul1": "", "lpt": "", "~$x": "",
		"": "empty", "nul": "device", "NUL.tar.gz": "device", "Con": "device", "aux .x": "device", "COM1": "device", "lpt9.log": "device", "com¹": "device", "conout$": "device",
		"a.": "ends with", "a ": "ends with", "...": "ends with",
		"a:b": `':'`, `a\b`: `'\\'`, "a/b": `'/'`, "what?": `'?'`, "*": `'*'`, "a\nb": `'\n'`, `"`: `'"'`,
		"\xff": "not UTF-8",
	} {
		switch err := Check(name); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for path, want := range map[string]string{
		`C:\`: "", `C:/app/x.conf`: "", `C:\app\..\x`: "", `\\server\share$\a b\`: "",
		`C:\nul\x`: "device", `C:\app\x.`: "ends with", `C:\app\x:stream`: `':'`, `\\?\C:\app`: `leave out "\\\\?\\"`, `\\.\pipe\x`: "leave out",
	} {
		switch err := CheckPath(path); {
		case !IsFull(path):
			t.Errorf("%q is not full", path)
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	for _, path := range []string{"", "C:", "C:x", "/etc", `\app`, "app"} {
		if IsFull(path) {
			t.Errorf("%q is full", path)
		}
	}
}

func TestHasDevice(t *testing.T) {
	for path, want := range map[string]bool{
		`C:\logs\nul`: true, `C:\com1.d\x`: true, "C:/aux": true, `\\server\share\CON`: true,
		`C:\logs\a.log`: false, `C:\console\*.log`: false, `C:\`: false,
	} {
		if HasDevice(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
