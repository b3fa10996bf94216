//go:build linux

package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/macho"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The archive for macOS has programs for its processor, with the modes of programs, and a property list
// of launchd. Nothing runs it.
func TestArchivesForMacOS(t *testing.T) {
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	for arch, cpu := range map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64} {
		name := "warren-0.0.2-darwin-" + arch
		files := readArchive(t, filepath.Join(*packages, name+".tar.gz"))
		for _, file := range []string{"warren", "warrend"} {
			f := files[name+"/"+file]
			program, err := macho.NewFile(bytes.NewReader(f.content))
			if err != nil || program.Cpu != cpu || program.Type != macho.TypeExec || f.mode != 0o755 {
				t.Errorf("%s: %s has mode %v: %v", name, file, f.mode, err)
			}
			if !bytes.Contains(f.content, []byte("0.0.2")) {
				t.Errorf("%s: %s has no version", name, file)
			}
		}
		plist := string(files[name+"/launchd/io.warren.warrend.plist"].content)
		var document struct {
			XMLName xml.Name `xml:"plist"`
			Keys    []string `xml:"dict>key"`
		}
		if err := xml.Unmarshal([]byte(plist), &document); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, plist)
		}
		has(t, strings.Join(document.Keys, " "), "Label", "ProgramArguments", "RunAtLoad")
		has(t, plist, "<string>/usr/local/bin/warrend</string>")
		for _, file := range []string{
			"README.md", "LICENSE", "CHANGELOG.md", "config/config.toml", "config/warrend.toml", "config/authorized_operators",
			"man/warren.1.gz", "man/warrend.8.gz", "completion/warren.bash", "completion/warren.zsh", "completion/warren.fish",
		} {
			if f := files[name+"/"+file]; len(f.content) == 0 || f.mode != 0o644 {
				t.Errorf("%s: %s has %d bytes, mode %v", name, file, len(f.content), f.mode)
			}
		}
	}
}

type archived struct {
	mode    os.FileMode
	content []byte
}

func readArchive(t *testing.T, path string) map[string]archived {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]archived{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || strings.HasPrefix(h.Name, "/") || strings.Contains(h.Name, "..") {
			t.Errorf("%s: %s of %d:%d", path, h.Name, h.Uid, h.Gid)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = archived{os.FileMode(h.Mode).Perm(), content}
	}
}

// The programs of the packages for arm64 run.
func TestArm64(t *testing.T) {
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	if _, err := exec.LookPath("qemu-aarch64-static"); err != nil {
		t.Skip("needs qemu-user-static")
	}
	for pack, program := range map[string]string{"warren": "warren", "warren-agent": "warrend"} {
		deb := filepath.Join(*packages, pack+"_0.0.2_arm64.deb")
		dir := t.TempDir()
		if out, err := exec.Command("dpkg", "-x", deb, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		arch, err := exec.Command("dpkg-deb", "--field", deb, "Architecture").CombinedOutput()
		if strings.TrimSpace(string(arch)) != "arm64" {
			t.Errorf("%s is for %s, %v", deb, arch, err)
		}
		cmd := exec.Command("qemu-aarch64-static", filepath.Join(dir, "usr/bin", program), "--version")
		cmd.Env = append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
		has(t, string(out), "0.0.2")
	}
}
