//go:build unix

package signing

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/hint"
	"warren/repl/term"
)

// The test binary is also a program that signs twice with a key, as one that a
// person has started.
func TestMain(m *testing.M) {
	if identity := os.Getenv("SIGNING_TEST_IDENTITY"); identity != "" {
		os.Exit(signTwice(identity))
	}
	goleak.VerifyTestMain(m)
}

func signTwice(identity string) int {
	ctx := context.Background()
	s, err := Choose(ctx, Options{Identity: identity, Passphrase: term.ReadSecret})
	if err == nil {
		fmt.Printf("before: %s\n", s.Fingerprint())
		err = s.Unlock(ctx)
	}
	for i := 0; err == nil && i < 2; i++ {
		var sig string
		if sig, err = s.Sign(ctx, []byte(statement)); err == nil {
			fmt.Printf("signature %s\n", sig)
		}
	}
	if err != nil {
		fmt.Printf("error: %s\n", hint.Text(err))
		return 2
	}
	return 0
}
