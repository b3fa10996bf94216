package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/internal/testlab/disk"
)

// An operator can look at a host whose disk is full, and make room there.
func TestFullDiskIsRepairedFromOperator(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	dir := filepath.Join(p.home, "agent-"+p.id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
		t.Skipf("needs a small disk, and mounting a tmpfs is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	a := p.agent()
	p.warren(0, "run", "true", "--hosts", p.id) // the journal is no longer new
	filler := filepath.Join(dir, "filler")
	if err := disk.Fill(filler); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(p.home, "script")
	if err := os.WriteFile(script, []byte("echo "+strings.Repeat("x", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}

	const full = "the host's disk is full"
	p.has(p.warren(0, "run", "df -P "+dir, "--hosts", p.id), "100%", full)
	p.has(p.warren(0, "run", "df -P "+dir, "--hosts", p.id, "--json"), `"reason":"`+full+`"`, "100%")
	p.has(p.warren(1, "run", "--script", script, "--hosts", p.id), "failed_to_start", "cannot write the script: "+full)
	p.has(p.warren(0, "hosts", "--hosts", p.id, "--json"), `"disk":"full"`)
	out := p.warren(0, "run", "sleep 60", "--hosts", p.id, "--detach")
	task := strings.TrimSpace(out)
	p.warren(0, "cancel", task)
	p.has(p.warren(1, "wait", task), "canceled")
	p.has(p.warren(0, "run", "rm "+filler, "--hosts", p.id), "ok")
	out = p.warren(0, "run", "echo again", "--hosts", p.id)
	if p.has(out, "again"); strings.Contains(out, full) {
		t.Errorf("with room:\n%s", out)
	}
	if n := strings.Count(a.Err.String(), "cannot write output to the disk"); n != 1 {
		t.Errorf("the log says %d times that the disk takes no output", n)
	}
}
