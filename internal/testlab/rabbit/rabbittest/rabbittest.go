// Package rabbittest gives tests a real RabbitMQ.
//
// A test binary calls Main from its TestMain. The first test that asks for a
// broker starts a private node, all others share it, and Main stops it. Tests
// keep apart by the names of their queues and exchanges, or by Vhost. Where no
// node can be started, the tests that need one fail; on Windows they are skipped.
package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/testlab/rabbit"
)

// envBroker names a broker to test against instead of a private node. Only
// tests that ask for no more than a URL obey it.
const envBroker = "WARREN_TEST_BROKER"

// startTimeout covers a node's start on a machine with much else to do.
const startTimeout = 2 * time.Minute

// The nodes of this test binary. Tests may run in parallel and end in any order,
// so no single test can own them.
var shared, secure sharedNode

type sharedNode struct {
	once sync.Once
	node *rabbit.Node
	err  error
}

// get returns the node, which the first call starts.
func (s *sharedNode) get(t testing.TB, config func() (rabbit.Config, error)) *rabbit.Node {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		var cfg rabbit.Config
		if cfg, s.err = config(); s.err == nil {
			s.node, s.err = rabbit.Start(ctx, cfg)
		}
	})
	if runtime.GOOS == "windows" && errors.Is(s.err, rabbit.ErrNotInstalled) {
		t.Skip("RabbitMQ is not installed on Windows; internal/testlab/windows has programs of both systems and a broker")
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.node
}

func (s *sharedNode) stop() error {
	if s.node == nil {
		return nil
	}
	return s.node.Stop()
}

// Main runs the tests, then what clears up behind them, stops the node if one
// was started, looks for goroutines that were left behind, and exits.
func Main(m *testing.M, after ...func() error) {
	shareNothing()
	code := m.Run()
	for _, cleanUp := range after {
		if err := cleanUp(); err != nil {
			fmt.Fprintln(os.Stderr, "rabbittest:", err)
			code = 1
		}
	}
	if err := errors.Join(shared.stop(), secure.stop(), os.RemoveAll(secureDir)); err != nil {
		fmt.Fprintln(os.Stderr, "rabbittest: cannot stop the node:", err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "rabbittest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Node returns the private node that this binary's tests share. A test that
// kills it restarts it before it ends, and does not run in parallel.
func Node(t testing.TB) *rabbit.Node {
	t.Helper()
	return shared.get(t, func() (rabbit.Config, error) { return rabbit.Config{NoBusyWait: true}, nil })
}

// URL returns the address of a broker: the one that WARREN_TEST_BROKER names,
// or the private node.
func URL(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(envBroker); u != "" {
		return u
	}
	return Node(t).URL()
}

// Vhost creates a virtual host of the private node for this test alone and
// returns its URL.
func Vhost(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	u, err := Node(t).AddVhost(ctx, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return u
}
