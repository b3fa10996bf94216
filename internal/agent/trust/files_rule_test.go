package trust

import (
	"runtime"
	"strings"
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
		{both, &wire.Run{Push: &wire.Push{Path: "/srv/www/x", Within: "/srv/"}}, "/srv"},
		{both, &wire.Run{Push: &wire.Push{Path: "/srv/www/x", Within: "/srv/www"}}, ""}, // may be a link to any place
		{both, &wire.Run{Push: &wire.Push{Path: "/srv/www/x", Within: "/"}}, ""},
		{both, &wire.Run{Argv: []string{"/var/log/a/b"}, Collect: &wire.Collect{MaxSize: 1, Within: "/var/log/a"}}, ""},
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

func TestConfinedPushMaySetOwnersOfRunAs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	const push = `permit-push="/etc/app/"`
	for _, c := range []struct {
		options, user, owner string
		mode                 int64
		refusal              string
	}{
		{options: push, mode: 0o644},
		{options: push, mode: 0o4755, refusal: "setuid"},
		{options: push, mode: 0o2755, refusal: "setuid"},
		{options: push, mode: 0o1777, refusal: "setuid"},
		{options: push, owner: "root", refusal: `run-as does not name the owner "root"`},
		{options: push, owner: "root:app", refusal: `run-as does not name the owner "root"`},
		{options: push, owner: "0", refusal: "run-as"},
		{options: push, owner: "warrend"},
		{options: push, owner: "warrend:app"},
		{options: push, owner: ":app"},
		{options: push + `,run-as="warrend,app"`, owner: "app:adm"},
		{options: push + `,run-as="warrend,app"`, owner: "root", refusal: "run-as"},
		{options: push + `,run-as="app"`, user: "app", owner: "app"},
		{options: push + `,run-as="app"`, user: "app", owner: "warrend", refusal: "run-as"},
		{options: push + `,run-as="*"`, owner: "root"},
		{options: "", owner: "root", mode: 0o4755},
	} {
		run := &wire.Run{User: c.user, Push: &wire.Push{Path: "/etc/app/x", Owner: c.owner, Mode: c.mode}}
		got, refusal := rule(t, c.options).permits(run, nil, "warrend")
		if (got == nil) != (c.refusal != "") || !strings.Contains(refusal, c.refusal) {
			t.Errorf("%+v: %q", c, refusal)
		}
	}
}
