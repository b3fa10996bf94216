//go:build linux

package windows

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/internal/testlab/disk"
)

// TestFullDisk fills the disk with the agent's data: it still runs commands.
func TestFullDisk(t *testing.T) {
	p := newPlace(t, linux, windows)
	volume := filepath.Join(p.agentDir(), "data")
	if err := errors.Join(os.Mkdir(volume, 0o700), syscall.Mount("none", volume, "tmpfs", 0, "size=16m,mode=0700")); err != nil {
		t.Skipf("needs a small disk, and mounting a tmpfs is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(volume, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	a := p.start()
	p.run(0, "rem the journal is no longer new")
	filler := filepath.Join(volume, "filler")
	if err := disk.Fill(filler); err != nil {
		t.Fatal(err)
	}
	const full = "the host's disk is full"
	p.has(p.run(0, "echo still here"), "still here", full)
	p.has(p.run(1, "--script", p.write("x.bat", "@echo "+strings.Repeat("x", 10_000))), "failed_to_start", "cannot write the script: "+full)
	p.has(p.warren(0, "", "hosts", "--json"), `"disk":"full"`)
	p.has(p.warren(1, "", "push", p.write("large", strings.Repeat("x", 1<<20)), "--to", p.agent.path(volume+"/large"), "--hosts", p.host), "no space: ")
	p.run(0, "del "+p.agent.path(filler))
	if out := p.run(0, "echo again"); strings.Contains(out, full) {
		t.Errorf("with room:\n%s", out)
	}
	if err := a.Kill(); err != nil { // wine ends, and so does its use of the disk
		t.Fatal(err)
	}
}

// An agent without permission for its data directory ends with a hint.
func TestNoPermission(t *testing.T) {
	p := newPlace(t, linux, windows)
	dir := filepath.Join(p.agentDir(), "ProgramData")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nobody may change an immutable directory, not even root.
	if out, err := exec.Command("chattr", "+i", dir).CombinedOutput(); err != nil {
		t.Skipf("needs a directory that root may not change: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("chattr", "-i", dir).Run() })
	a := p.launch("--data-dir", p.agent.path(dir)+`\Warren\agent`)
	if status, err := a.Wait(); err != nil || status != 2 {
		t.Fatalf("status %d, %v: %s", status, err, a.Err.String())
	}
	p.has(a.Err.String(), "error: data directory: ", "Access denied", "hint: choose a writable directory with --data-dir")
}

// A data directory on a share is refused, whether the share answers or not.
func TestDataDirectoryOnShare(t *testing.T) {
	p := newPlace(t, linux, windows)
	a := p.launch("--data-dir", `\\files.invalid\share\warren`)
	if status, err := a.Wait(); err != nil || status != 2 {
		t.Fatalf("status %d, %v: %s", status, err, a.Err.String())
	}
	p.has(a.Err.String(), "error: data directory", "hint: choose a")
}
