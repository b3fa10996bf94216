package facts

import "testing"

func TestOSRelease(t *testing.T) {
	for text, want := range map[string][2]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n": {"debian", "12"},
		"ID='fedora'\nVERSION_ID=42\nID_LIKE=x\n":                                        {"fedora", "42"},
		"ID=arch\n":                   {"arch", ""},
		"# ID=none\nVERSION_ID=\"\"":  {"", ""},
		"ID=\"a\\\"b\"\r\nVERSION_ID": {`a"b`, ""},
	} {
		if id, version := osRelease(text); id != want[0] || version != want[1] {
			t.Errorf("%q is %q %q", text, id, version)
		}
	}
}
