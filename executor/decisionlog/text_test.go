package decisionlog

import (
	"testing"

	"warren/internal/wire"
)

// The log says which files a push or a collect is about. Whoever chooses their names can neither
// begin a new line nor move the cursor of who reads it.
func TestFilesAreDescribed(t *testing.T) {
	for _, c := range []struct {
		run  wire.Run
		want string
	}{
		{
			wire.Run{Push: &wire.Push{Path: "/etc/app/app.conf", Size: 42, Digest: []byte{0x0a, 0xff}}},
			`push "/etc/app/app.conf" of 42 bytes, manifest 0aff`,
		},
		{
			wire.Run{Push: &wire.Push{Path: "/tmp/a\nb \"c\" \x1b[2J\u202e\xff", Digest: []byte{1}}},
			`push "/tmp/a\nb \"c\" \x1b[2J\u202e\xff" of 0 bytes, manifest 01`,
		},
		{
			wire.Run{Argv: []string{"/etc/hosts", "/var/log/*.log"}, Collect: &wire.Collect{MaxSize: 1 << 30}},
			`collect ["/etc/hosts" "/var/log/*.log"] of at most 1073741824 bytes`,
		},
		{
			wire.Run{Argv: []string{"/tmp/a\r\nb\x1b[2J\u202e"}, Collect: &wire.Collect{MaxSize: 1}},
			`collect ["/tmp/a\r\nb\x1b[2J\u202e"] of at most 1 bytes`,
		},
	} {
		r, _ := newLog(t)
		v := verdictOf(t, wire.TypeRun)
		v.Request.Statement.Run = &c.run
		r.Verdict(v, t0)
		if got := lines(t, r.path)[0].Command; got != c.want {
			t.Errorf("recorded as %s, want %s", got, c.want)
		}
	}
}
