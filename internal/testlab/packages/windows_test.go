//go:build linux

package packages

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The directory with wine64, and drive C: (see .ci/windows).
const (
	envWine  = "WARREN_TEST_WINE"
	envDrive = "WARREN_TEST_WINE_DRIVE"
)

// wine runs a program for Windows that succeeds, and returns what it prints.
func wine(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Getenv(envWine)+"/wine64", args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func needWine(t *testing.T) {
	t.Helper()
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	if os.Getenv(envWine) == "" {
		t.Skip("needs wine; make packages-test runs it")
	}
}

// The MSI files install, upgrade and remove the programs, and keep data and configuration.
func TestMSI(t *testing.T) {
	needWine(t)
	for name, c := range map[string]struct {
		dir, program string
		files        []string
	}{
		"warren":       {"Warren", "warren.exe", []string{"config.toml", "LICENSE.txt"}},
		"warren-agent": {"Warren agent", "warrend.exe", []string{"warrend.toml", "authorized_operators", "LICENSE.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := os.Getenv(envDrive)
			dir, data := filepath.Join(drive, "Program Files", c.dir), filepath.Join(drive, "ProgramData", "Warren", name)
			installer := func(action, version string) {
				t.Helper()
				file := filepath.Join(*packages, name+"-"+version+"-amd64.msi")
				wine(t, "msiexec", action, "Z:"+strings.ReplaceAll(file, "/", `\`), "/qn")
			}
			if err := os.MkdirAll(data, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(data, "kept"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, version := range []string{"0.0.1", "0.0.2"} {
				installer("/i", version)
				has(t, wine(t, `C:\Program Files\`+c.dir+`\`+c.program, "--version"), version)
			}
			for _, file := range c.files {
				if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
					t.Error(err)
				}
			}
			products := func() string {
				return strings.Join(regexp.MustCompile(`(?m)^ *DisplayName.*Warren.*$`).FindAllString(wine(t, "reg", "query", `HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall`, "/s"), -1), "\n")
			}
			if list := products(); strings.Count(list, "DisplayName") != 1 {
				t.Errorf("after the upgrade there are the products\n%s", list)
			}
			installer("/x", "0.0.2")
			if list := products(); list != "" {
				t.Errorf("after the removal there are the products\n%s", list)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", dir, err)
			}
			if text, err := os.ReadFile(filepath.Join(data, "kept")); err != nil || string(text) != "kept" {
				t.Errorf("the data: %q, %v", text, err)
			}
		})
	}
}

// The programs of the zip file run where it was extracted.
func TestZip(t *testing.T) {
	needWine(t)
	const name = "warren-0.0.2-windows-amd64"
	r, err := zip.OpenReader(filepath.Join(*packages, name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dir := t.TempDir()
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if err := extract(f, filepath.Join(dir, f.Name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"warren", "warrend"} {
		has(t, wine(t, filepath.Join(dir, name, program+".exe"), "--version"), "0.0.2")
	}
	for _, file := range []string{"README.md", "LICENSE", "CHANGELOG.md", "config/config.toml", "config/warrend.toml", "config/authorized_operators"} {
		if _, err := os.Stat(filepath.Join(dir, name, file)); err != nil {
			t.Error(err)
		}
	}
}

func extract(f *zip.File, path string) error {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o700)
}
