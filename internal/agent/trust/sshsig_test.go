package trust

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// recordedStatement is what the recorded signatures sign.
const recordedStatement = "a statement"

// Signatures that ssh-keygen has made, with each kind of key, are valid.
func TestRecordedSignaturesAreValid(t *testing.T) {
	signatures, err := filepath.Glob("testdata/sshsig/*.sig")
	if err != nil || len(signatures) != 4 {
		t.Fatalf("%q, %v", signatures, err)
	}
	for _, path := range signatures {
		key, _, _, _, err := ssh.ParseAuthorizedKey(readAll(t, strings.TrimSuffix(path, ".sig")+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		sig := string(readAll(t, path))
		s, err := verify(recordedStatement, sig)
		if err != nil || !bytes.Equal(s.key.Marshal(), key.Marshal()) || s.sig.Namespace != Namespace {
			t.Errorf("%s: %+v, %v", path, s, err)
		}
		if _, err := verify("another statement", sig); err == nil {
			t.Errorf("%s is valid for another statement", path)
		}
	}
}
