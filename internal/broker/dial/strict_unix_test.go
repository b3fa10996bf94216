//go:build unix

package dial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/secretfile"
)

// The files of a strict login are checked at each dial: others may have been let
// write them since. Another login takes them as they are.
func TestStrictLoginChecksItsFilesAtEachDial(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	file := filepath.Join(dir, "password")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(file, []byte("hush\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	login := func(files secretfile.Reader) (Options, *Endpoint) {
		o := Options{URLs: []string{"amqp://anna@127.0.0.1/"}, Login: Login{PasswordFile: file, Files: files}}
		eps, err := Endpoints(o)
		if err != nil {
			t.Fatal(err)
		}
		return o, &eps[0]
	}
	options, strict := login(secretfile.Strict)
	_, lenient := login(secretfile.Reader{})
	for _, c := range []struct {
		path string
		mode fs.FileMode
		want string // empty: it passes
	}{
		{dir, 0o755, ""},
		{dir, 0o775, "password file " + file + " cannot be used: others may write the directory " + dir + " (mode 0775)"},
		{dir, 0o755, ""},
	} {
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		dialErr := strict.CheckFiles()
		for _, err := range []error{dialErr, options.CheckFiles()} {
			var e *Error
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &e) || !strings.HasPrefix(e.Message, c.want) || !strings.HasPrefix(e.Hint, "chmod go-w "+dir)) {
				t.Errorf("mode %04o: %v, want %q", c.mode, err, c.want)
			}
		}
		if err := lenient.CheckFiles(); err != nil {
			t.Errorf("mode %04o, not strict: %v", c.mode, err)
		}
	}
	// A file that is not there yet is no reason not to start.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := options.CheckFiles(); err != nil {
		t.Error(err)
	}
	if err := strict.CheckFiles(); err == nil {
		t.Error("there is no password")
	}
}
