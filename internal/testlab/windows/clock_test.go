//go:build linux

package windows

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
)

// A clock is the clock of a Windows of its own, which a test sets.
type clock struct {
	t    *testing.T
	file string
}

// newClock makes a drive C: and a library that wine loads, so that its programs see another
// time than Linux.
func newClock(p *place) clock {
	p.t.Helper()
	c := clock{p.t, filepath.Join(p.dir, "clock")}
	c.set(0)
	library := filepath.Join(p.dir, "clock.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", library, "testdata/clock.c").CombinedOutput(); err != nil {
		p.t.Skipf("needs a C compiler: %v: %s", err, out)
	}
	shared := filepath.Dir(os.Getenv(envDrive))
	own := shared + ".clock"
	if out, err := exec.Command("cp", "-a", filepath.Join(filepath.Dir(shared), "prefix"), own).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	p.t.Setenv(envDrive, filepath.Join(own, "drive_c"))
	p.t.Setenv("WINEPREFIX", "/"+filepath.Base(own))
	p.t.Cleanup(func() {
		_ = exec.Command(os.Getenv(envWine)+"/wineserver64", "--kill").Run() // an error where none runs
		if err := os.RemoveAll(own); err != nil {
			p.t.Error(err)
		}
	})
	if err := errors.Join(os.Chmod(own, 0o755), os.Chmod(filepath.Join(own, "drive_c"), 0o755)); err != nil {
		p.t.Fatal(err)
	}
	p.env = []string{"LD_PRELOAD=" + library, "WARREN_TEST_CLOCK=" + c.file}
	return c
}

// set sets how far the clock is ahead.
func (c clock) set(ahead time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o600) // programs have it mapped
	if err == nil {
		_, err = f.Write(binary.NativeEndian.AppendUint64(nil, uint64(ahead/time.Second)))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestClockSetBack sets the clock of an agent's Windows back by an hour while a command runs.
func TestClockSetBack(t *testing.T) {
	p := newPlace(t, linux, windows)
	c := newClock(p)
	a := p.start()
	task, err := clitest.Start(p.command(t.Context(), p.operator, "warren", "run", "--hosts", p.host, "--stream", "--timeout", "10s", "echo begun & ping -n 100 127.0.0.1 >nul"), false)
	if err != nil {
		t.Fatal(err)
	}
	p.await(&task.Out, "begun")
	begun := time.Now()
	c.set(-time.Hour)
	const future = `issued 59m\d+s in the future by this host's clock|issued 1h0m0s in the future by this host's clock`
	p.matches(p.run(1, "echo never"), future)
	if status, err := task.Wait(); err != nil || status != 1 { // the timeout passes, whatever the clock says
		t.Fatalf("status %d, %v", status, err)
	}
	p.has(task.Out.String()+task.Err.String(), "timed_out")
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("the timeout of 10 s took %s", took)
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	a = p.start() // its journal is from the future
	p.matches(p.run(1, "echo never"), future)
	c.set(0)
	p.has(p.run(0, "echo again"), "again\n")
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
}
