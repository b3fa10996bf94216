package trust

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// Both files have the same meaning regardless of how an editor saved them.
func TestFilesSavedByWindows(t *testing.T) {
	key := newKey(t, "ed25519").PublicKey()
	text := "# who may\r\n" + strings.ReplaceAll(line("", key, "alice"), "\n", "\r\n")
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	for _, saved := range []string{text, "\ufeff" + text, string(wide)} {
		o, err := ParseOperators("f", []byte(saved))
		if err != nil || o.Len() != 1 || o.keys[string(key.Marshal())].Comment != "alice" {
			t.Errorf("%.40q: %v", saved, err)
		}
		r, err := ParseRevocations("f", []byte(saved))
		if err != nil || !r.revokesKey(key) {
			t.Errorf("%.40q: %v", saved, err)
		}
	}
}
