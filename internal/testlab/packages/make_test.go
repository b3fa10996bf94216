//go:build linux

package packages

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stubGo writes small files where packaging/make builds programs, manual pages and packages.
const stubGo = `#!/bin/sh
case $1 in
build)
	while [ "$1" != -o ]; do shift; done
	mkdir -p "$2"
	for pkg; do
		case $pkg in ./cmd/*) printf '#!/bin/sh\n' >"$2/${pkg##*/}"; chmod +x "$2/${pkg##*/}" ;; esac
	done
	;;
run)
	mkdir "$3"
	for page in warren.1 warrend.8; do : >"$3/$page"; done
	;;
tool)
	[ "$NO_PACKAGE" != "$8" ] || exit 1
	name=${6##*/}
	echo "$8" >"${10}/${name%.yaml}_$PACKAGE_VERSION.$8"
	;;
esac
`

const stubWixl = `#!/bin/sh
while [ "$1" != --output ]; do shift; done
: >"$2"
`

const stubZip = `#!/bin/sh
for file; do case $file in *.zip) cat >"$file" ;; esac; done
`

// makeProgram returns the path of packaging/make. It looks at the file, so that go test runs a test again when the file
// has changed.
func makeProgram(t *testing.T) string {
	t.Helper()
	program, err := filepath.Abs(filepath.Join(tree, "packaging/make"))
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// runMake runs packaging/make in a directory, with stubs of what is slow, or need not be installed.
func runMake(t *testing.T, dir string, env ...string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{"go": stubGo, "wixl": stubWixl, "zip": stubZip} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(makeProgram(t))
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "ARCHS=amd64", "SIGNING_KEY=")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// files returns the files of a directory with their content, except SHA256SUMS.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || e.Name() == "SHA256SUMS" {
			found[e.Name()] = ""
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = string(text)
	}
	return found
}

func names(t *testing.T, dir string) string {
	t.Helper()
	return strings.Join(slices.Sorted(maps.Keys(files(t, dir))), " ")
}

// The packages replace those of the run before, once they are built, and no other file.
func TestPackagesReplaceOwnFilesOnly(t *testing.T) {
	dir := t.TempDir()
	run := func(want, format string, env ...string) {
		t.Helper()
		out, err := runMake(t, dir, append(env, "DIST=out", "FORMATS="+format)...)
		if got := names(t, filepath.Join(dir, "out")); got != want {
			t.Errorf("after %s %q: %s, want %s\n%v\n%s", format, env, got, want, err, out)
		}
	}
	run("SHA256SUMS warren-agent_1.0.0.deb warren_1.0.0.deb", "deb", "VERSION=1.0.0")
	if err := os.WriteFile(filepath.Join(dir, "out/warren-notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run("SHA256SUMS warren-agent_1.0.0.deb warren-notes warren_1.0.0.deb", "deb rpm", "VERSION=1.0.1", "NO_PACKAGE=rpm")
	run("SHA256SUMS warren-agent_1.0.1.rpm warren-notes warren_1.0.1.rpm", "rpm", "VERSION=1.0.1")
	cmd := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	cmd.Dir = filepath.Join(dir, "out")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warren-notes") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	sum := strings.Repeat("0", 64)
	for name, content := range map[string]map[string]string{
		"no SHA256SUMS":            {"letter": "dear"},
		"empty SHA256SUMS":         {"letter": "dear", "SHA256SUMS": ""},
		"SHA256SUMS of others":     {"debian.iso": "x", "SHA256SUMS": sum + "  debian.iso\n"},
		"SHA256SUMS with a path":   {"letter": "dear", "SHA256SUMS": sum + "  warren/../letter\n"},
		"a line that is no digest": {"letter": "dear", "SHA256SUMS": sum + "  warren.deb\nletter\n"},
	} {
		dir := t.TempDir()
		for file, text := range content {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := files(t, dir)
		out, err := runMake(t, t.TempDir(), "DIST="+dir, "VERSION=1.0.0", "FORMATS=deb")
		if err == nil || !strings.HasPrefix(out, "error: DIST "+dir) || !strings.Contains(out, "\nhint: ") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if after := files(t, dir); !maps.Equal(after, before) {
			t.Errorf("%s: there were %q, now there are %q", name, before, after)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := runMake(t, t.TempDir(), "DIST="+file, "VERSION=1.0.0", "FORMATS=deb"); err == nil || !strings.HasPrefix(out, "error: DIST "+file+" is not a directory") {
		t.Errorf("a file: %v\n%s", err, out)
	}
}

// Windows would install the packages of two commits with the same numbers side by side.
func TestOnlyReleasesHaveAnMSI(t *testing.T) {
	for version, want := range map[string]string{
		"1.0.0":             "",
		"1.0.0-rc1":         "there is no MSI of a pre-release\n",
		"1.0.0-2-g0123456":  "there is no MSI of a commit that is not a release\n",
		"1.0.0-dirty":       "there is no MSI of a commit that is not a release\n",
		"devel-0123456789a": "there is no MSI of a commit that is not a release\n",
	} {
		dir := t.TempDir()
		out, err := runMake(t, t.TempDir(), "DIST="+dir, "VERSION="+version, "FORMATS=windows")
		built := names(t, dir)
		if err != nil || !strings.Contains(out, want) || !strings.Contains(built, "-windows-amd64.zip") || strings.Contains(built, ".msi") != (want == "") {
			t.Errorf("%s: %v, %s\n%s", version, err, built, out)
		}
	}
}
