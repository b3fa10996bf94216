//go:build unix

package signing

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzKeyFile reads arbitrary key files and certificates: reading returns a key or an
// error with a message, and never panics.
func FuzzKeyFile(f *testing.F) {
	d := newDesk(f)
	d.key("ca", "ed25519", "")
	for _, kind := range []string{"ed25519", "ecdsa -m PEM"} {
		for i, passphrase := range []string{"", "hunter2"} {
			name := string(rune('a' + i))
			d.key(name, kind, passphrase)
			d.certify("ca", name, "+1h")
			key, cert := []byte(d.read(name)+"\n"), []byte(d.read(name+"-cert.pub"))
			f.Add(key, cert)
			f.Add([]byte(d.read(name+".pub")), cert)
			for _, file := range []string{"", ".pub", "-cert.pub"} {
				if err := os.Remove(d.path(name + file)); err != nil {
					f.Fatal(err)
				}
			}
		}
	}
	f.Add(pemOf([]byte("openssh-key-v1\x00")), []byte{})
	f.Fuzz(func(t *testing.T, key, cert []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "id")
		if os.WriteFile(path, key, 0o600) != nil || os.WriteFile(path+"-cert.pub", cert, 0o600) != nil {
			t.Skip("no room")
		}
		k, err := readKeyFile(path)
		if err != nil {
			return
		}
		if k.line && k.private != nil {
			t.Error("a public key file with a private key")
		}
		if k.public == nil {
			return
		}
		public, err := k.certified(withoutCertificate(k.public), func(string) {})
		if err == nil && !sameKey(withoutCertificate(public), withoutCertificate(k.public)) {
			t.Error("the certificate of another key")
		}
	})
}
