//go:build linux

package packages

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// packageVersions returns the version of the packages of a release, and that of apk.
func packageVersions(t *testing.T, version string) (deb, apk string) {
	t.Helper()
	cmd := exec.Command("packaging/make", "version")
	cmd.Dir = tree
	cmd.Env = append(cmd.Environ(), "VERSION="+version)
	out, err := cmd.CombinedOutput()
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

// A pre-release with another name would count as later than the release.
func TestUnknownPreReleaseIsRefused(t *testing.T) {
	for _, version := range []string{"1.0.0-preview1", "1.0.0rc1", "1.0.0-rc"} {
		cmd := exec.Command("packaging/make", "version")
		cmd.Dir = tree
		cmd.Env = append(cmd.Environ(), "VERSION="+version)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "error: VERSION "+version) {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
}
