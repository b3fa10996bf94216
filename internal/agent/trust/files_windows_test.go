package trust

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/acl/acltest"
	"warren/internal/wire"
)

// The files follow the rules of sshd's StrictModes, with access control lists for modes.
func TestAccessControlLists(t *testing.T) {
	key := line("", newKey(t, "ed25519").PublicKey(), "")
	for name, c := range map[string]struct {
		edit func(t *testing.T, dir, file string)
		want string // empty: it passes
	}{
		"nobody else":             {func(*testing.T, string, string) {}, ""},
		"others read":             {func(t *testing.T, _, file string) { acltest.Grant(t, file, "FR") }, ""},
		"others write":            {func(t *testing.T, _, file string) { acltest.Grant(t, file, "FW") }, "Everyone may write"},
		"others replace the file": {func(t *testing.T, dir, _ string) { acltest.Grant(t, dir, "FA") }, "directory"},
		"further up":              {func(t *testing.T, dir, _ string) { acltest.Grant(t, filepath.Dir(dir), "FA") }, "directory"},
		"directory instead of file": {func(t *testing.T, _, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := write(t, filepath.Join(dir, "authorized_operators"), key)
			for _, path := range []string{filepath.Dir(dir), dir, file} {
				acltest.Grant(t, path, "")
			}
			c.edit(t, dir, file)
			_, err := Open(file, "", true, slog.New(slog.DiscardHandler))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// While others may write the file, no new content applies and the old rights stay. After
// the list is fixed, the content applies at once.
func TestFixedListAppliesAtOnce(t *testing.T) {
	alice, bob := newKey(t, "ed25519"), newKey(t, "ed25519")
	a, b := line("", alice.PublicKey(), "alice"), line("", bob.PublicKey(), "bob")
	d := newDesk(t)
	write(t, d.operators, a)
	acltest.Grant(t, d.operators, "")
	d.open()
	d.settle()
	acltest.Grant(t, d.operators, "FW")
	write(t, d.operators, a+b)
	d.want("spoilt and edited", map[ssh.Signer]bool{alice: true, bob: false})
	if refused := d.files.Refused(); len(refused) != 1 || refused[0].File != wire.AuthorizedOperators {
		t.Errorf("%+v", refused)
	}
	d.wantLog("icacls")
	acltest.Grant(t, d.operators, "")
	d.want("mended", map[ssh.Signer]bool{alice: true, bob: true})
}
