package trust

import (
	"testing"

	"warren/internal/wire"
)

// Directories of Windows: the root of a drive is written with a slash, and names that
// differ in case are the same.
func TestDirectoriesOfWindows(t *testing.T) {
	push := func(path string) *wire.Run { return &wire.Run{Push: &wire.Push{Path: path}} }
	cd := func(dir string) *wire.Run { return &wire.Run{Command: "hostname", Cwd: dir} }
	const cwds = `permit-command="hostname",permit-cwd="C:/",permit-cwd="D:\Srv\App"`
	for _, c := range []struct {
		options string
		run     *wire.Run
		within  string // "": refused; of a command its directory
	}{
		{cwds, cd(`C:\`), `C:\`},
		{cwds, cd(`c:/`), `c:\`},
		{cwds, cd(`C:`), ""},
		{cwds, cd(`C:\windows`), ""},
		{cwds, cd(`d:\srv\app`), `d:\srv\app`},
		{cwds, cd(`D:\srv\app.`), ""},
		{cwds, cd(`\\?\D:\Srv\App`), ""},
		{`permit-push="C:/"`, push(`c:\app\x`), `C:\`},
		{`permit-push="C:/"`, push(`D:\x`), ""},
		{`permit-push="C:/"`, push(`C:x`), ""},
		{`permit-push="C:\app"`, push(`C:\APP\sub\x`), `C:\app`},
		{`permit-push="C:/app/"`, push(`C:\app\x`), `C:\app`},
		{`permit-push="C:\app"`, push(`C:\app\..\x`), ""},
		{`permit-push="C:\app"`, push(`C:\application`), ""},
		{`permit-push="C:\app"`, push(`C:\app.\x`), ""},
		{`permit-push="C:\app"`, push(`C:\app\nul`), ""},
		{`permit-push="C:\app"`, push(`\\?\C:\app\x`), ""},
		{`permit-push="C:\app"`, push(`\\server\C$\app\x`), ""},
		{`permit-push="\\server\share/"`, push(`\\SERVER\share\x`), `\\server\share\`},
	} {
		got, refusal := rule(t, c.options).permits(c.run, nil, "warrend")
		within := ""
		switch {
		case got == nil:
		case got.Push != nil:
			within = got.Push.Within
		default:
			within = got.Cwd
		}
		if within != c.within || (got == nil) == (refusal == "") {
			t.Errorf("%s, %+v: within %q, %q", c.options, c.run, within, refusal)
		}
	}
}
