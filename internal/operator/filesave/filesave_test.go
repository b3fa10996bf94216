package filesave

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"warren/internal/files/collect"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNamesAreSafeAndDiffer(t *testing.T) {
	for _, c := range []struct{ paths, want string }{
		{"/etc/hosts", "etc/hosts"},
		{"C:/Logs/x.log", "C/Logs/x.log"},
		{"C:/x /C/x /a: /a", "C/x C~2/x a%3A a"},
		{"/\u00e9 /e\u0301", "\u00e9 e\u0301~2"},
		{"/etc/Hosts /etc/hosts /ETC/x /etc/hosts", "etc/Hosts etc/hosts~2 ETC~2/x etc/hosts~2"},
		{"/a/con /a/_con /a/NUL.txt /a/com1.x /a/communal /a/lpt¹", "a/_con a/_con~2 a/_NUL.txt a/_com1.x a/communal a/_lpt¹"},
		{"/a/new\nline /a/\x7f /a/not-\xff-utf8 /a/日誌", "a/new%0Aline a/%7F a/not-%FF-utf8 a/日誌"},
		{`/a/x:y /a/back\slash /a/q?* /a/<x>"|`, `a/x%3Ay a/back%5Cslash a/q%3F%2A a/%3Cx%3E%22%7C`},
		{"/a/dot. /a/.../x /a/100% /a/%41 /a/%zz", "a/dot%2E a/..%2E/x a/100% a/%2541 a/%zz"},
		{"/\u03bf\u03c2 /\u03bf\u03c3 /\u00b5 /\u03bc", "\u03bf\u03c2 \u03bf\u03c3~2 \u00b5 \u03bc~2"}, // the same letters, in lower case too
		{"/a /A~2 /A /A~3 /a~2", "a A~2 A~3 A~3~2 a~2~2"},
		{"/" + tempPrefix + "1", "_" + tempPrefix + "1"},
	} {
		n := newNames()
		var got []string
		for p := range strings.SplitSeq(c.paths, " ") {
			local, err := n.local(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, local)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%q: got  %q\nwant %q", c.paths, text, c.want)
		}
	}
}

// What is longer than a name may be begins as it did, keeps its extension, and differs from all others.
func TestLongNamesAreShortened(t *testing.T) {
	x, escaped := strings.Repeat("x", 300), strings.Repeat("%3A", 100)
	for _, c := range []struct {
		names []string
		want  string // regular expressions, separated by blanks
	}{
		{[]string{x[:255], x[:255]}, "x{255} x{255}"},
		{[]string{x[:255], strings.ToUpper(x[:255])}, "x{255} X{229}…[0-9a-f]{16}"},
		{[]string{x[:248], strings.ToUpper(x[:248])}, "x{248} X{248}~2"},
		{[]string{x + ".log", x + "x.log", x + ".logs and all others"}, "x{225}…[0-9a-f]{16}[.]log x{225}…[0-9a-f]{16}[.]log x{229}…[0-9a-f]{16}"},
		{[]string{strings.Repeat("日", 85), strings.Repeat("日", 100) + ".txt"}, "日{85} 日{75}…[0-9a-f]{16}[.]txt"},
		{[]string{"a" + strings.Repeat("é", 150)}, "aé{114}…[0-9a-f]{16}"},
		{[]string{strings.Repeat("\xc4", 90), "a" + strings.Repeat("\xc4", 90)}, "(%C4){76}…[0-9a-f]{16} a(%C4){76}…[0-9a-f]{16}"},
		{[]string{strings.Repeat(":", 90), "ab" + strings.Repeat(":", 90), escaped}, "(%3A){76}…[0-9a-f]{16} ab(%3A){75}…[0-9a-f]{16} (%253A){45}%253…[0-9a-f]{16}"},
		{[]string{"nul." + x, x + "."}, "_nul.x{224}…[0-9a-f]{16} x{229}…[0-9a-f]{16}"},
	} {
		n, again := newNames(), newNames()
		for i, name := range c.names {
			local, err := n.local("/" + name)
			want := strings.Split(c.want, " ")[i]
			if err != nil || !regexp.MustCompile("^"+want+"$").MatchString(local) || len(local) > maxName {
				t.Errorf("%q: %d bytes: %q, %v, want %s", name, len(local), local, err, want)
			}
			if same, err := again.local("/" + name); err != nil || same != local {
				t.Errorf("%q becomes %q and %q", name, local, same)
			}
		}
	}
}

// Each file can be saved, whatever its name becomes.
func TestFilesWithLongNamesAreSaved(t *testing.T) {
	d, err := Open(t.TempDir(), "web01")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	saved := map[string]bool{}
	deep := strings.Repeat("/"+strings.Repeat("\xff", 80), 50) // 4 KB on the host, 12 KB here
	for _, path := range []string{
		"/srv/" + strings.Repeat("\xc4", 90), "C:/Fotos/" + strings.Repeat("日", 100), "/srv/" + strings.Repeat("a:", 70),
		"/srv/" + strings.Repeat("x", 255), "/srv/" + strings.Repeat("X", 255), "/srv/" + strings.Repeat("\xff", 200) + "/x", deep + "/x", deep + "/y",
	} {
		f, local := save(t, d, path, strings.NewReader("x"), "")
		if local == "" || saved[local] {
			t.Errorf("%q: saved as %q: %s", path, local, f.Failed)
			continue
		}
		saved[local] = true
		if info, err := d.root.Stat(local); err != nil || info.Size() != 1 {
			t.Errorf("%q: %v", local, err)
		}
	}
}

// Names cost memory and time for each of them, and not for each path or each other name.
func TestNamesOfAHostileHostTakeLittle(t *testing.T) {
	n := newNames()
	for i := range 10 {
		if _, err := n.local(fmt.Sprintf("/x%d%s", i, strings.Repeat("/a", 2000))); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for at := range n.taken {
		size += len(at.name)
	}
	if size > 10*3000 {
		t.Errorf("10 paths of 4 KB take %d bytes", size)
	}
	for i := range 1 << 12 { // names that differ only in case
		name := []byte("abcdefghijkl")
		for bit := range name {
			name[bit] -= byte(i>>bit&1) * ('a' - 'A')
		}
		local, err := n.local("/" + string(name))
		if _, suffix, ok := strings.Cut(local, "~"); err != nil || ok && suffix != fmt.Sprint(i+1) {
			t.Fatalf("name %d is %q, %v", i+1, local, err)
		}
	}
	if last := n.suffix[place{0, "abcdefghijkl"}]; last != 1<<12 {
		t.Errorf("the last suffix is %d: each name tries those of the others", last)
	}
	for i := 0; ; i++ {
		if _, err := n.local(fmt.Sprintf("/%d%s", i, strings.Repeat("/a", 2000))); errors.Is(err, errTooManyNames) {
			break
		} else if i > mostNames/2000 {
			t.Fatal("there may be any number of directories")
		}
	}
}

// Whatever a host says: each path stays in the directory, and two never share a file.
func TestNamesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.SliceOfN(rapid.SampledFrom([]byte("aA.%: \n\xff~2")), 1, 4)
		n := newNames()
		taken := map[string]string{}
		for range rapid.IntRange(1, 20).Draw(t, "paths") {
			var elements []string
			for range rapid.IntRange(1, 3).Draw(t, "depth") {
				e := strings.Repeat(string(element.Draw(t, "element")), rapid.SampledFrom([]int{1, 90}).Draw(t, "times"))
				if e == "." || e == ".." {
					return // ReadArchive refuses it
				}
				elements = append(elements, e)
			}
			p := "/" + strings.Join(elements, "/")
			local, err := n.local(p)
			if err != nil || !filepath.IsLocal(local) || !utf8.ValidString(local) || strings.ContainsAny(local, ":\n") {
				t.Fatalf("%q becomes %q", p, local)
			}
			if other, ok := taken[strings.ToLower(local)]; ok && other != p {
				t.Fatalf("%q and %q become %q", p, other, local)
			}
			taken[strings.ToLower(local)] = p
			for name := range strings.SplitSeq(local, "/") {
				if len(name) > maxName {
					t.Fatalf("%q becomes %q: %d bytes", p, name, len(name))
				}
			}
		}
	})
}

func save(t *testing.T, d *Directory, path string, content io.Reader, failed string) (f *collect.File, local string) {
	t.Helper()
	f = &collect.File{Path: path, SHA256: sha256.Sum256(nil), ModTime: time.Unix(1e9, 0)}
	if err := d.File(f, content); err != nil {
		f.Failed = err.Error()
	} else {
		f.Failed = failed
	}
	return f, d.Done(f)
}

// listOf returns the paths in a directory.
func listOf(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestEachFileIsWholeOrUntouched(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "save")
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, "web01")
	if err != nil {
		t.Fatal(err)
	}
	if f, local := save(t, d, "/etc/x", strings.NewReader("old"), ""); local != "etc/x" {
		t.Errorf("%+v", f)
	}
	if f, local := save(t, d, "/etc/x", strings.NewReader("ne"), "the digest is wrong"); local != "" {
		t.Errorf("%+v", f)
	}
	if f, local := save(t, d, "/etc/x", io.MultiReader(strings.NewReader("ne"), failing{}), ""); local != "" || !strings.Contains(f.Failed, "disk is full") {
		t.Errorf("%+v", f)
	}
	if err := d.File(&collect.File{Path: "/etc/y"}, strings.NewReader("cut off")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := listOf(t, dir); !slices.Equal(got, []string{"web01/etc/x"}) {
		t.Errorf("%q", got)
	}
	p := filepath.Join(dir, "web01", "etc", "x")
	content, err := os.ReadFile(p)
	info, err2 := os.Stat(p)
	if err := errors.Join(err, err2); err != nil || string(content) != "old" || info.ModTime().Unix() != 1e9 {
		t.Errorf("%q, %v, %v", content, info, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is full") }

// What a directory has already cannot lead a file out of it.
func TestObstaclesInTheDirectory(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, link := range []string{"web02", filepath.Join("web01", "etc")} {
		if err := os.MkdirAll(filepath.Join(dir, "web01", "var", "log"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	if _, err := Open(dir, "web02"); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("a symbolic link: %v", err)
	}
	d, err := Open(dir, "web01")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/etc/x": "escapes", "/var/log": "a directory has its name"} {
		if f, local := save(t, d, path, strings.NewReader("x"), ""); local != "" || !strings.Contains(f.Failed, want) {
			t.Errorf("%s: %+v", path, f)
		}
	}
	if f, local := save(t, d, "/var/log/x", strings.NewReader("x"), ""); local == "" {
		t.Errorf("%+v", f)
	}
	if f, local := save(t, d, "/var/log/x/y", strings.NewReader("x"), ""); local != "" || f.Failed == "" {
		t.Errorf("below a file: %+v", f)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := listOf(t, outside); len(got) > 0 {
		t.Errorf("outside: %q", got)
	}
}

// What a killed process has left is removed when it is a day old.
func TestOpenRemovesStaleFiles(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-staleAfter - time.Hour)
	host := filepath.Join(dir, "web01")
	stale, fresh := filepath.Join(host, tempPrefix+"1"), filepath.Join(host, tempPrefix+"2")
	err := os.Mkdir(host, 0o700)
	for _, p := range []string{stale, fresh} {
		err = errors.Join(err, os.WriteFile(p, nil, 0o600))
	}
	if err := errors.Join(err, os.Chtimes(stale, old, old)); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, "web01")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := listOf(t, dir); !slices.Equal(got, []string{"web01/" + tempPrefix + "2"}) {
		t.Errorf("%q", got)
	}
}
