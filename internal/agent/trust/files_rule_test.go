package trust

import (
	"runtime"
	"testing"

	"warren/internal/wire"
)

func TestConfinedLinePermitsFilesBelowItsDirectories(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	push := func(path string) *wire.Run { return &wire.Run{Push: &wire.Push{Path: path}} }
	collect := func(paths ...string) *wire.Run { return &wire.Run{Argv: paths, Collect: &wire.Collect{MaxSize: 1}} }
	const both = `permit-push="/etc/app/",permit-push="/srv",permit-collect="/var/log/"`
	for _, c := range []struct {
		options string
		run     *wire.Run
		within  string // "": refused
	}{
		{both, push("/etc/app/app.conf"), "/etc/app"},
		{both, push("/etc/app"), "/etc/app"},
		{both, push("/srv/www/"), "/srv"},
		{both, push("/etc/app.conf"), ""},
		{both, push("/etc/application"), ""},
		{both, push("/etc/app/../passwd"), ""},
		{both, push("etc/app/x"), ""},
		{both, push("/var/log/x"), ""},
		{both, collect("/var/log/syslog", "/var/log/app/*"), "/var/log"},
		{both, collect("/var/log/syslog", "/etc/shadow"), ""},
		{both, collect("/srv/x"), ""},
		{both, &wire.Run{Command: "true"}, ""},
		{`permit-command="true"`, push("/etc/app/app.conf"), ""},
		{`permit-command="true"`, collect("/etc/app/app.conf"), ""},
	} {
		got, refusal := rule(t, c.options).permits(c.run, nil, "warrend")
		within := ""
		switch {
		case got == nil:
		case got.Push != nil:
			within = got.Push.Within
		case got.Collect != nil:
			within = got.Collect.Within
		}
		if within != c.within || (got == nil) == (refusal == "") {
			t.Errorf("%s, %+v: within %q, %q", c.options, c.run, within, refusal)
		}
	}
}

func TestUnconfinedLinePermitsFiles(t *testing.T) {
	if got, refusal := rule(t, `run-as="app,warrend"`).permits(&wire.Run{Push: &wire.Push{Path: "/etc/x"}, User: "app"}, nil, "warrend"); got == nil {
		t.Error(refusal)
	}
}
