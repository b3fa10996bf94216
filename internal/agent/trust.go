package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"warren/executor"
	"warren/internal/agent/trust"
	"warren/internal/hint"
)

// trustFlags are the settings of the host's trust policy.
type trustFlags struct {
	AuthorizedOperators string        `help:"File with the operators of this host and their rights, in the format of authorized_keys. Default: ${operators}." placeholder:"FILE" env:"AUTHORIZED_OPERATORS"`
	RevokedOperators    string        `help:"File with revoked keys and certificates: keys, fingerprints or an OpenSSH KRL. Default: ${revoked}, if it exists." placeholder:"FILE" env:"REVOKED_OPERATORS"`
	MaxValidity         time.Duration `help:"Maximum validity of a request. Default: 24h, with --inbox 720h." placeholder:"TIME" env:"MAX_VALIDITY"`
	AllowUnsigned       bool          `help:"Accept unsigned requests: anybody who can publish to the broker can run anything on this host." env:"ALLOW_UNSIGNED"`
}

// Default paths of the files.
var (
	defaultOperators = filepath.Join(filepath.Dir(defaultConfig()), "authorized_operators")
	defaultRevoked   = filepath.Join(filepath.Dir(defaultConfig()), "revoked_operators")
)

// files opens the host's trust files. It returns nil if there is no
// authorized_operators and unsigned requests are allowed.
func (f *trustFlags) files(log *slog.Logger) (*trust.Files, error) {
	operators, revoked := f.AuthorizedOperators, f.RevokedOperators
	if operators == "" {
		operators = defaultOperators
		if _, err := os.Stat(operators); errors.Is(err, fs.ErrNotExist) {
			if f.AllowUnsigned && revoked == "" {
				return nil, nil
			}
			return nil, untrusting()
		}
	}
	if revoked == "" {
		revoked = defaultRevoked
	}
	files, err := trust.Open(operators, revoked, f.RevokedOperators == "", log)
	if err != nil {
		return nil, err
	}
	log.Info("operators of this host", "file", operators, "lines", files.Operators())
	return files, nil
}

// untrusting returns an error that explains how to create authorized_operators.
func untrusting() error {
	first := fmt.Sprintf(`put each operator's public key into %s, one per line:

  on the operator's machine    ssh-keygen -t ed25519          # unless there is a key
                               cat ~/.ssh/id_ed25519.pub
%s`,
		defaultOperators, installKey(filepath.Dir(defaultOperators), defaultOperators))
	return hint.Errorf(first, "%w", hint.Errorf(
		"--allow-unsigned needs no keys: then anybody who can publish to the broker can run anything on this host",
		"%w", executor.ErrUntrusting))
}

// hangup delivers SIGHUP, upon which the files are read again. The channel holds one
// signal, because two pending signals have the same effect as one.
func hangup() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}
