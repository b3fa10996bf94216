//go:build linux

package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The commands of docs/install.md accept what packaging/make has written and signed, and refuse
// a changed file and a changed list of checksums.
func TestDownloadIsVerified(t *testing.T) {
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	dir := t.TempDir()
	file := "warren-0.0.2.cdx.json"
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "allowed_signers", file} {
		content, err := os.ReadFile(filepath.Join(*packages, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	documented := commands(block(t, "install.md", "ssh-keygen -Y verify"))
	if len(documented) != 2 {
		t.Fatalf("docs/install.md has the commands %q", documented)
	}
	check := func(command string, accepted bool) {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); (err == nil) != accepted {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	change := func(name string) {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(content, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check(documented[0], true)
	check(documented[1], true)
	change(file)
	check(documented[0], true)
	check(documented[1], false)
	change("SHA256SUMS")
	check(documented[0], false)
}

// A bill of materials has each module of its program, with its version, and no other.
func TestBillsOfMaterials(t *testing.T) {
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	for _, program := range []string{"warren", "warrend"} {
		text, err := os.ReadFile(filepath.Join(*packages, program+"-0.0.2.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bill struct {
			BOMFormat string `json:"bomFormat"`
			Metadata  struct{ Component struct{ Version string } }

			Components []struct{ Type, Name, Version string }
		}
		if err := json.Unmarshal(text, &bill); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range bill.Components {
			if c.Type == "library" && c.Name != "std" {
				got = append(got, c.Name+" "+c.Version)
			}
		}
		slices.Sort(got)
		if want := modules(t, "./cmd/"+program); !slices.Equal(got, want) {
			t.Errorf("%s: %q\nwant %q", program, got, want)
		}
		if bill.BOMFormat != "CycloneDX" || bill.Metadata.Component.Version != "0.0.2" {
			t.Errorf("%s: %+v", program, bill.Metadata)
		}
	}
}

// modules returns the modules that a program for Linux links, without its own.
func modules(t *testing.T, program string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}`, program)
	cmd.Dir, cmd.Env = tree, append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(strings.ReplaceAll(string(out), " ", "@"))
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "@", " ")
	}
	slices.Sort(list)
	return slices.Compact(list)
}
