//go:build unix

package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A room is what an agent of the test's finds: all of it its own.
type room struct {
	t                       *testing.T
	dir, etc, data          string
	config, operators       string
	ca, cert, key, password string
}

func newRoom(t *testing.T) *room {
	dir := t.TempDir()
	r := &room{t: t, dir: dir, etc: dir + "/etc", data: dir + "/lib/data"}
	r.ok(errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(r.etc, 0o755), os.MkdirAll(r.data, 0o700)))
	r.ok(errors.Join(os.Chmod(r.etc, 0o755), os.Chmod(dir+"/lib", 0o755)))
	file := func(path, text string) string {
		r.ok(os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	r.config = file(r.etc+"/warrend.toml", "workers = 5\n")
	r.operators = file(r.etc+"/authorized_operators", "")
	r.ca, r.cert, r.key = file(r.etc+"/ca.pem", "x"), file(r.etc+"/cert.pem", "x"), file(r.etc+"/key.pem", "x")
	r.password = file(r.etc+"/password", "hush\n")
	return r
}

func (r *room) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start starts the agent, which refuses to start since nobody is an operator of it:
// that is the last of its checks.
func (r *room) start(more ...string) string {
	r.t.Helper()
	var out bytes.Buffer
	args := append([]string{
		"--config", r.config, "--data-dir", r.data, "--authorized-operators", r.operators, "--broker", "amqps://agent@127.0.0.1:1/v",
		"--broker-ca", r.ca, "--broker-cert", r.cert, "--broker-key", r.key, "--broker-password-file", r.password,
	}, more...)
	if status := Main(args, &out, &out); status != 2 {
		r.t.Errorf("status %d", status)
	}
	return out.String()
}

const nobody = "it lists no operators"

// A root's agent trusts no file that others could write, and says how to mend it.
// So does the agent of another user.
func TestAgentTrustsNoFileOfOthers(t *testing.T) {
	others := func(path func(r *room) string, mode fs.FileMode) func(r *room) {
		return func(r *room) { r.ok(os.Chmod(path(r), mode)) }
	}
	foreign := func(path func(r *room) string) func(r *room) {
		return func(r *room) { r.ok(os.Lchown(path(r), 12345, 12345)) }
	}
	paths := map[string]func(r *room) string{
		"configuration file":     func(r *room) string { return r.config },
		"authorized_operators":   func(r *room) string { return r.operators },
		"CA":                     func(r *room) string { return r.ca },
		"certificate":            func(r *room) string { return r.cert },
		"private key":            func(r *room) string { return r.key },
		"password file":          func(r *room) string { return r.password },
		"their directory":        func(r *room) string { return r.etc },
		"a directory above":      func(r *room) string { return r.dir },
		"data directory":         func(r *room) string { return r.data },
		"data directory's":       func(r *room) string { return filepath.Dir(r.data) },
		"journal":                func(r *room) string { return r.plant("journal") },
		"journal, being written": func(r *room) string { return r.plant("journal.new") },
		"lock":                   func(r *room) string { return r.plant("lock") },
		"decisions":              func(r *room) string { return r.plant("decisions.log") },
		"older decisions":        func(r *room) string { return r.plant("decisions.log.3") },
		"a script":               func(r *room) string { return r.plant("warren-script-1") },
		"output":                 func(r *room) string { return r.plant("output/000000000001.output") },
		"output's directory":     func(r *room) string { r.plant("output/x"); return r.data + "/output" },
	}
	if got := newRoom(t).start(); !strings.Contains(got, nobody) {
		t.Fatal(got)
	}
	for name, path := range paths {
		t.Run(name+", mode", func(t *testing.T) {
			r := newRoom(t)
			p := path(r)
			others(path, 0o777)(r)
			if got := r.start(); !strings.Contains(got, "others may write") || !strings.Contains(got, "mode 0777") || !strings.Contains(got, "chmod go-w "+p) || !strings.Contains(got, "\nhint: ") || strings.Contains(got, "hush") {
				t.Error(got)
			}
		})
		t.Run(name+", owner", func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			r := newRoom(t)
			p := path(r)
			foreign(path)(r)
			if got := r.start(); !strings.Contains(got, "belongs to user id 12345") || !strings.Contains(got, "chown root:root "+p) {
				t.Error(got)
			}
		})
	}
}

// plant puts a file into the data directory.
func (r *room) plant(name string) string {
	r.t.Helper()
	path := filepath.Join(r.data, name)
	r.ok(os.MkdirAll(filepath.Dir(path), 0o700))
	if _, err := os.Lstat(path); err != nil {
		r.ok(os.WriteFile(path, nil, 0o600))
	}
	return path
}

// What somebody has put into a data directory while he could is not followed, nor
// written to.
func TestPlantedLinksAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(r *room, target string) error
		want  string
		root  bool
	}{
		"hard link": {plant: func(r *room, target string) error { return os.Link(target, r.data+"/decisions.log") }, want: "has another hard link"},
		"symbolic link of another": {plant: func(r *room, target string) error {
			return errors.Join(os.Symlink(target, r.data+"/decisions.log"), os.Lchown(r.data+"/decisions.log", 12345, 12345))
		}, want: "decisions.log belongs to user id 12345", root: true},
		"symbolic link to others": {plant: func(r *room, target string) error {
			return errors.Join(os.Chmod(target, 0o666), os.Symlink(target, r.data+"/decisions.log"))
		}, want: "others may write"},
		"pipe of others": {plant: func(r *room, _ string) error {
			return errors.Join(syscall.Mkfifo(r.data+"/journal", 0o600), os.Chmod(r.data+"/journal", 0o622))
		}, want: "others may write"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			r := newRoom(t)
			target := r.dir + "/target"
			r.ok(os.WriteFile(target, []byte("mine"), 0o600))
			r.ok(c.plant(r, target))
			if got := r.start("--allow-unsigned"); !strings.Contains(got, c.want) {
				t.Error(got)
			}
			if text, err := os.ReadFile(target); err != nil || string(text) != "mine" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// A new data directory is its agent's alone, and none is made where others could
// put another in its place.
func TestNewDataDirectory(t *testing.T) {
	r := newRoom(t)
	r.data = r.dir + "/new/data"
	if got := r.start(); !strings.Contains(got, nobody) {
		t.Fatal(got)
	}
	for _, dir := range []string{r.data, filepath.Dir(r.data)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	bad := r.dir + "/bad"
	r.ok(errors.Join(os.Mkdir(bad, 0o700), os.Chmod(bad, 0o777)))
	r.data = bad + "/data"
	if got := r.start(); !strings.Contains(got, "others may write the directory "+bad+" (mode 0777)") {
		t.Error(got)
	}
	if _, err := os.Stat(r.data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	r.ok(os.Chmod(bad, 0o777|os.ModeSticky)) // as /tmp
	if got := r.start(); !strings.Contains(got, nobody) {
		t.Error(got)
	}
}

// A setting is taken from no file that others could have written, not even for
// --show-config.
func TestSettingsOfOthersAreNotShown(t *testing.T) {
	r := newRoom(t)
	r.ok(os.WriteFile(r.config, []byte("allow_unsigned = true\n"), 0o600))
	r.ok(os.Chmod(r.config, 0o666))
	if got := r.start("--show-config"); !strings.HasPrefix(got, "error: configuration file "+r.config+": others may write "+r.config+" (mode 0666)\nhint: ") {
		t.Error(got)
	}
}
