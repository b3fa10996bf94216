//go:build linux

package packages

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// makeVersion returns the command that prints the versions of the packages of a release.
func makeVersion(t *testing.T, version string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(makeProgram(t), "version")
	cmd.Env = append(cmd.Environ(), "VERSION="+version)
	return cmd
}

// packageVersions returns the version of the packages of a release, and that of apk.
func packageVersions(t *testing.T, version string) (deb, apk string) {
	t.Helper()
	out, err := makeVersion(t, version).CombinedOutput()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 2 {
		t.Fatalf("%s: %v\n%s", version, err, out)
	}
	return fields[0], fields[1]
}

// Package managers upgrade a pre-release to the next one, and to the release.
func TestVersionsAreInOrder(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("needs dpkg")
	}
	before := ""
	for _, version := range []string{
		"devel-0123456789ab", "0.9.1", "1.0.0-alpha1", "1.0.0-beta.1", "1.0.0-rc1", "1.0.0-rc1-3-g0123456", "1.0.0-rc2", "1.0.0-rc10",
		"1.0.0", "1.0.0-2-g0123456", "1.0.1-rc1", "1.0.1",
	} {
		deb, _ := packageVersions(t, version)
		if out, err := exec.Command("dpkg", "--compare-versions", before, "lt", deb).CombinedOutput(); err != nil {
			t.Errorf("%s: %s is not more than %s: %v %s", version, deb, before, err, out)
		}
		before = deb
	}
}

// apk has no tilde. Its suffixes alpha, beta and rc are before the release, and git is after it.
func TestVersionsOfAPK(t *testing.T) {
	for version, want := range map[string]string{
		"1.0.0": `1\.0\.0`, "1.0.0-rc.2": `1\.0\.0_rc2`, "1.0.0-alpha1-3-g0123456": `1\.0\.0_alpha1_git\d{14}`, "1.0.0-2-g0123456-dirty": `1\.0\.0_git\d{14}`,
	} {
		if _, apk := packageVersions(t, version); !regexp.MustCompile("^" + want + "$").MatchString(apk) {
			t.Errorf("%s: %s, want %s", version, apk, want)
		}
	}
}

// A version that nobody understands would be built as a commit of 0.0.0, and a pre-release with another
// name would count as later than the release.
func TestUnknownVersionIsRefused(t *testing.T) {
	for _, version := range []string{
		"1.0.0-preview1", "1.0.0rc1", "1.0.0-rc", "v1.0.0", "1.0", "1.0.0.5", "1.0.0+5", "1.0.0-3", "1.0-2-g0123456", "latest", "devel",
	} {
		if out, err := makeVersion(t, version).CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "error: VERSION "+version+" ") || !strings.Contains(string(out), "\nhint: write 1.0.0 for the tag v1.0.0\n") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
}

// A tree without a release, without a commit, or without git has such a version.
func TestVersionsOfMakefileAreAccepted(t *testing.T) {
	for _, version := range []string{"", "devel-0123456789ab", "devel-0123456789ab-dirty", "1.0.0-dirty", "1.0.0-rc1-3-g0123456-dirty"} {
		packageVersions(t, version)
	}
}
