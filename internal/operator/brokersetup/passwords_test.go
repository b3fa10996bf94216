package brokersetup

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestPasswords(t *testing.T) {
	c := Config{Vhost: "v", Operators: []string{"a/b"}, Agents: []Agent{{ID: "fd00::1"}}}
	dir := t.TempDir() + "/some/where"
	first, err := c.Passwords(dir)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, file := range []string{"a%2Fb", "fd00%3A%3A1"} {
		text, err := os.ReadFile(dir + "/" + file)
		if err != nil || len(text) != 48 {
			t.Fatalf("%q, %v", text, err)
		}
		words[string(text)] = true
		if info, _ := os.Stat(dir + "/" + file); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
		for name, p := range first {
			if strings.Contains(p.Hash+name, string(text)) {
				t.Errorf("%q tells the password", name)
			}
		}
	}
	if len(first) != 2 || len(words) != 2 || !first["a/b"].New {
		t.Errorf("%+v, %d passwords", first, len(words))
	}
	again, err := c.Passwords(dir)
	if err != nil || again["a/b"].Hash != first["a/b"].Hash || again["a/b"].New {
		t.Errorf("the second time %+v, %v", again["a/b"], err)
	}
	if err := os.WriteFile(dir+"/a%2Fb", []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// python3: base64(salt + sha256(salt + b"another")), salt = sha256(b"warren broker-setup\0a/b\0another")[:4]
	const want = "B4DdhIT+ZXmqTikE49Q4qA5WeqfLzWFVzNJlZ6tG4iFFUEqa"
	if own, err := c.Passwords(dir); err != nil || own["a/b"].Hash != want {
		t.Errorf("one's own password: %+v, %v", own["a/b"], err)
	}
	for _, none := range []Config{{Vhost: "v"}, {Vhost: "v", Operators: []string{"a"}, External: true}} {
		if p, err := none.Passwords("/dev/null/none"); p != nil || err != nil {
			t.Errorf("%+v: %v, %v", none, p, err)
		}
	}
}

// A password that others may know is refused.
func TestUnsafePasswordFileIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	c := Config{Vhost: "v", Operators: []string{"alice"}}
	for want, spoil := range map[string]func(dir, file string) error{
		"alice cannot be used: others may read": func(_, file string) error { return os.Chmod(file, 0o644) },
		"in a single line":                      func(_, file string) error { return os.WriteFile(file, []byte("a\nb\n"), 0o600) },
		"in a single line\n":                    func(_, file string) error { return os.Truncate(file, 0) },
		"not a regular file":                    func(_, file string) error { _ = os.Remove(file); return os.Mkdir(file, 0o700) },
		"others may read or change it":          func(dir, _ string) error { return os.Chmod(dir, 0o777) },
	} {
		dir := t.TempDir() + "/p"
		if _, err := c.Passwords(dir); err != nil {
			t.Fatal(err)
		}
		if err := spoil(dir, dir+"/alice"); err != nil {
			t.Fatal(err)
		}
		if p, err := c.Passwords(dir); err == nil || !strings.Contains(err.Error()+"\n", want) || p != nil {
			t.Errorf("want %s, got %v, %v", want, p, err)
		}
	}
}
