// Package clitest runs Warren's programs as real processes in tests.
//
// A test binary is the programs itself: Main looks at the name by which it was
// called. So what a test starts was built as the test was, with its race
// detector. Everything that is started here is ended with its test.
package clitest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"warren/executor/filejob"
	"warren/internal/agent"
	"warren/internal/operator"
	"warren/internal/operator/signing"
	"warren/internal/testlab/rabbit/rabbittest"
)

// Patience is how long a test waits for what must come, on a busy machine too: it costs
// only where a test fails.
const Patience = 2 * time.Minute

// Programs are the names that Main knows by itself.
var Programs = []string{"warren", "warrend"}

// Main is a TestMain that is warren or warrend where it is called so, or one
// of more, and runs the tests where it is not.
func Main(m *testing.M, more map[string]func() int) {
	name := filepath.Base(os.Args[0])
	switch {
	case name == "warren":
		os.Exit(operator.Main(os.Args[1:]))
	case name == "warrend", slices.Equal(os.Args[1:], []string{filejob.HelperCommand}):
		os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr))
	case more[name] != nil:
		os.Exit(more[name]())
	}
	hurry()
	remove, err := makeKey()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clitest:", err)
		os.Exit(1)
	}
	rabbittest.Main(m, remove)
}

// The settings that name the tests' key and where the agents find it.
const (
	envIdentity   = "WARREN_IDENTITY"
	envAuthorized = "WARREND_AUTHORIZED_OPERATORS"
)

// Identity is the key that the operators of all tests sign with, unless told
// otherwise.
func Identity() string { return os.Getenv(envIdentity) }

// Sign signs a statement with that key, for requests that a test makes itself.
func Sign(statement []byte) (string, error) {
	ctx := context.Background() // a key file is read at once
	s, err := signing.Choose(ctx, signing.Options{Identity: Identity()})
	if err != nil {
		return "", err
	}
	return s.Sign(ctx, statement)
}

// makeKey makes that key and has everything that is started from here use it,
// not the keys of whoever runs the tests.
func makeKey() (remove func() error, err error) {
	dir, err := os.MkdirTemp("", "clitest")
	if err != nil {
		return nil, err
	}
	identity, authorized := filepath.Join(dir, "id_ed25519"), filepath.Join(dir, "authorized_operators")
	line, err := signing.Create(identity, "test")
	err = errors.Join(err,
		os.WriteFile(authorized, []byte(line), 0o600), os.Setenv(envIdentity, identity), os.Setenv(envAuthorized, authorized), os.Unsetenv("SSH_AUTH_SOCK"))
	return func() error { return os.RemoveAll(dir) }, err
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
