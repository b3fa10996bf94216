//go:build unix

package strictmodes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A tree is a directory of the test: etc with a file, and bad, which anybody may
// write.
type tree struct {
	t                    *testing.T
	base, etc, bad, file string
}

func newTree(t *testing.T) *tree {
	base := filepath.Join(t.TempDir(), "base")
	tr := &tree{t: t, base: base, etc: base + "/etc", bad: base + "/bad", file: base + "/etc/file"}
	for _, dir := range []string{filepath.Dir(base), base, tr.etc, tr.bad} {
		tr.ok(os.MkdirAll(dir, 0o700))
		tr.ok(os.Chmod(dir, 0o755))
	}
	tr.chmod(tr.bad, 0o777)
	tr.ok(os.WriteFile(tr.file, []byte("x"), 0o600))
	return tr
}

func (tr *tree) ok(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) chmod(path string, mode fs.FileMode) { tr.t.Helper(); tr.ok(os.Chmod(path, mode)) }
func (tr *tree) chown(path string)                   { tr.t.Helper(); tr.ok(os.Lchown(path, 12345, 0)) }
func (tr *tree) move(from, to string)                { tr.t.Helper(); tr.ok(os.Rename(from, to)) }
func (tr *tree) link(to, path string)                { tr.t.Helper(); tr.ok(os.Symlink(to, path)) }

const sticky = 0o777 | fs.ModeSticky

func TestOpenRefusesFilesWritableByOthers(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(tr *tree)
		want string // empty: no error
		root bool   // needs root
	}{
		"mode 0600":                {edit: func(tr *tree) { tr.chmod(tr.file, 0o600) }},
		"mode 0644":                {edit: func(tr *tree) { tr.chmod(tr.file, 0o644) }},
		"group writes":             {edit: func(tr *tree) { tr.chmod(tr.file, 0o664) }, want: "others may write FILE (mode 0664)\nhint: check its content, then: chmod go-w FILE"},
		"others write":             {edit: func(tr *tree) { tr.chmod(tr.file, 0o602) }, want: "others may write FILE (mode 0602)"},
		"directory, group writes":  {edit: func(tr *tree) { tr.chmod(tr.etc, 0o775) }, want: "others may write the directory BASE/etc (mode 0775)\nhint: chmod go-w BASE/etc"},
		"directory, sticky":        {edit: func(tr *tree) { tr.chmod(tr.etc, sticky) }, want: "anybody may create files in the directory BASE/etc (mode 1777)\nhint: move the file"},
		"further up":               {edit: func(tr *tree) { tr.chmod(tr.base, 0o777) }, want: "the directory BASE (mode 0777)"},
		"further up, sticky":       {edit: func(tr *tree) { tr.chmod(tr.base, sticky) }},
		"of another":               {edit: func(tr *tree) { tr.chown(tr.file) }, want: "FILE belongs to user id 12345", root: true},
		"directory of another":     {edit: func(tr *tree) { tr.chown(tr.etc) }, want: "the directory BASE/etc belongs to user id 12345, not to root or to the agent's user\nhint: chown root:root BASE/etc", root: true},
		"sticky, of another":       {edit: func(tr *tree) { tr.chmod(tr.base, sticky); tr.chown(tr.base) }, want: "BASE belongs to user id 12345", root: true},
		"in a sticky one, another": {edit: func(tr *tree) { tr.chmod(tr.base, sticky); tr.chown(tr.etc) }, want: "BASE/etc belongs to user id 12345", root: true},
		"a pipe":                   {edit: func(tr *tree) { tr.ok(os.Remove(tr.file)); tr.ok(syscall.Mkfifo(tr.file, 0o600)) }, want: "not a regular file"},
		"a directory":              {edit: func(tr *tree) { tr.ok(os.Remove(tr.file)); tr.ok(os.Mkdir(tr.file, 0o700)) }, want: "not a regular file"},
		"absent":                   {edit: func(tr *tree) { tr.ok(os.Remove(tr.file)) }, want: "no such file"},
		"below a file": {edit: func(tr *tree) {
			tr.move(tr.file, tr.base+"/f")
			tr.ok(os.Remove(tr.etc))
			tr.move(tr.base+"/f", tr.etc)
		}, want: "not a directory"},
		"a link to a good one":    {edit: func(tr *tree) { tr.move(tr.file, tr.base+"/f"); tr.link("../f", tr.file) }},
		"a link into a bad place": {edit: func(tr *tree) { tr.move(tr.file, tr.bad+"/f"); tr.link(tr.bad+"/f", tr.file) }, want: "the directory BASE/bad (mode 0777)"},
		"a link through a bad place": {edit: func(tr *tree) {
			tr.move(tr.file, tr.base+"/f")
			tr.link("../f", tr.bad+"/link")
			tr.link("../bad/link", tr.file)
		}, want: "the directory BASE/bad (mode 0777)"},
		"a directory's link through a bad place": {edit: func(tr *tree) {
			tr.move(tr.etc, tr.base+"/real")
			tr.link(tr.base+"/real", tr.bad+"/link")
			tr.link("bad/link", tr.etc)
		}, want: "the directory BASE/bad (mode 0777)"},
		"a link in a bad place": {edit: func(tr *tree) {
			tr.move(tr.file, tr.base+"/f")
			tr.link(tr.base+"/f", tr.file)
			tr.chmod(tr.etc, 0o777)
		}, want: "the directory BASE/etc"},
		"a link in a sticky directory": {edit: func(tr *tree) {
			tr.move(tr.etc, tr.bad+"/etc")
			tr.link("bad/etc", tr.etc)
			tr.chmod(tr.bad, 0o755)
			tr.chmod(tr.base, sticky)
		}, want: "anybody may create files in the directory BASE (mode 1777)"},
		"links in a circle":  {edit: func(tr *tree) { tr.ok(os.Remove(tr.file)); tr.link("file", tr.file) }, want: "too many"},
		"a link to the root": {edit: func(tr *tree) { tr.ok(os.Remove(tr.file)); tr.link("/", tr.file) }, want: "not a regular file"},
		"dots":               {edit: func(tr *tree) { tr.move(tr.file, tr.base+"/f"); tr.link("./../etc/..//./f", tr.file) }},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			tr := newTree(t)
			c.edit(tr)
			f, err := Open(tr.file)
			if err == nil {
				f.Close()
			}
			want := strings.NewReplacer("FILE", tr.file, "BASE", tr.base).Replace(c.want)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(hint.Text(err), want)) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestStatParentAcceptsStickyDirectory(t *testing.T) {
	tr := newTree(t)
	if _, err := StatParent(tr.bad); err == nil {
		t.Error("a directory that anybody may write passes")
	}
	tr.chmod(tr.bad, sticky)
	tr.link("bad", tr.base+"/link")
	for _, dir := range []string{tr.bad, tr.base + "/link", tr.etc} {
		if _, err := StatParent(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	var e *Error
	if _, err := Stat(tr.bad); !errors.As(err, &e) || e.Problem != Shared || !e.Dir {
		t.Errorf("%v", err)
	}
}

func TestCheckContentRefusesFilesOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(tr *tree)
		want string
		root bool
	}{
		"nothing":           {edit: func(*tree) {}},
		"a file of another": {edit: func(tr *tree) { tr.chown(tr.file) }, want: "FILE belongs to user id 12345", root: true},
		"a file for all":    {edit: func(tr *tree) { tr.chmod(tr.file, 0o666) }, want: "FILE (mode 0666)"},
		"a link of another": {edit: func(tr *tree) { tr.link("/etc/passwd", tr.etc+"/log"); tr.chown(tr.etc + "/log") }, want: "log belongs to user id 12345", root: true},
		"a link elsewhere":  {edit: func(tr *tree) { tr.ok(os.WriteFile(tr.bad+"/f", nil, 0o600)); tr.link(tr.bad+"/f", tr.etc+"/log") }, want: "BASE/bad (mode 0777)"},
		"a link of our own": {edit: func(tr *tree) { tr.link("/", tr.etc+"/log") }},
		"a hard link":       {edit: func(tr *tree) { tr.ok(os.Link(tr.file, tr.base+"/f")) }, want: "FILE has another hard link"},
		"further down": {edit: func(tr *tree) {
			tr.ok(os.Mkdir(tr.etc+"/sub", 0o700))
			tr.move(tr.file, tr.etc+"/sub/f")
			tr.chmod(tr.etc+"/sub/f", 0o666)
		}, want: "sub/f (mode 0666)"},
		"a directory for all": {edit: func(tr *tree) { tr.ok(os.Mkdir(tr.etc+"/sub", 0o700)); tr.chmod(tr.etc+"/sub", 0o777) }, want: "the directory BASE/etc/sub (mode 0777)"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			tr := newTree(t)
			c.edit(tr)
			err := CheckContent(tr.etc, 1)
			want := strings.NewReplacer("FILE", tr.file, "BASE", tr.base).Replace(c.want)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(hint.Text(err), want)) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestHintQuotesPaths(t *testing.T) {
	e := &Error{Path: "/srv/a b;c", Problem: Writable, Mode: 0o777, Dir: true}
	if want := "chmod go-w '/srv/a b;c'"; !strings.HasPrefix(e.ErrorHint(), want) {
		t.Errorf("%q", e.ErrorHint())
	}
}
