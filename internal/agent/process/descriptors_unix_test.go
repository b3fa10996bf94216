//go:build unix

package process_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"warren/internal/agent/process"
)

func TestCommandGetsNoInheritedDescriptor(t *testing.T) {
	ends := make([]int, 2)
	if err := unix.Pipe(ends); err != nil { // without close-on-exec, as a parent would leave it
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	s := spec(t)
	s.Argv = []string{"/bin/sh", "-c", fmt.Sprintf("if [ -e /dev/fd/%d ]; then echo inherited; else echo none; fi", ends[1])}
	if _, out, _ := run(t, s); out != "inherited\n" {
		t.Fatalf("the test shows nothing: %q", out)
	}
	process.CloseInheritedOnExec()
	if _, out, _ := run(t, s); out != "none\n" {
		t.Errorf("%q", out)
	}
}
