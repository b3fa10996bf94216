// Package clitest runs Warren's programs as real processes in tests.
//
// A test binary is the programs itself: Main looks at the name by which it was
// called. So what a test starts was built as the test was, with its race
// detector. Everything that is started here is ended with its test.
package clitest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"warren/cmd/internal/agent"
	"warren/cmd/internal/operator"
	"warren/internal/rabbit/rabbittest"
)

// Patience is how long a test waits for what must come.
const Patience = 30 * time.Second

// Programs are the names that Main knows by itself.
var Programs = []string{"warren", "warrend"}

// Main is a TestMain that is warren or warrend where it is called so, or one
// of more, and runs the tests where it is not.
func Main(m *testing.M, more map[string]func() int) {
	name := filepath.Base(os.Args[0])
	switch {
	case name == "warren":
		os.Exit(operator.Main(os.Args[1:]))
	case name == "warrend":
		os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr))
	case more[name] != nil:
		os.Exit(more[name]())
	}
	hurry()
	rabbittest.Main(m)
}

// hurry keeps the race detector from sleeping for a second at each program's end
// (atexit_sleep_ms, go.dev/doc/articles/race_detector).
func hurry() {
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=20") // a valid name cannot fail
	}
}

// Bin makes dir a directory with the programs.
func Bin(dir string, more ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range append(more, Programs...) {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
