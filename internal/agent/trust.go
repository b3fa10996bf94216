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

// trustFlags say whom this host trusts.
type trustFlags struct {
	AuthorizedOperators string        `help:"Who may run what on this host, in the format of authorized_keys. Default: ${operators}." placeholder:"FILE" env:"AUTHORIZED_OPERATORS"`
	RevokedOperators    string        `help:"Keys and certificates that are accepted no longer: keys, fingerprints or an OpenSSH KRL. Default: ${revoked}, where it exists." placeholder:"FILE" env:"REVOKED_OPERATORS"`
	MaxValidity         time.Duration `help:"Longest time that a request may be valid. Default: 24h, with --inbox 720h." placeholder:"TIME" env:"MAX_VALIDITY"`
	AllowUnsigned       bool          `help:"Accept what nobody has signed: anybody who can publish to the broker can run anything here." env:"ALLOW_UNSIGNED"`
}

// The files that are looked for where no flag names others.
var (
	defaultOperators = filepath.Join(filepath.Dir(defaultConfig()), "authorized_operators")
	defaultRevoked   = filepath.Join(filepath.Dir(defaultConfig()), "revoked_operators")
)

// files reads who may run what on this host. It is nil where there is no such
// file and unsigned requests are allowed.
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

// untrusting says how to set up what is missing.
func untrusting() error {
	first := fmt.Sprintf(`put each operator's public key into %s, one a line:

  on the operator's machine    ssh-keygen -t ed25519          # unless there is a key
                               cat ~/.ssh/id_ed25519.pub
  on this host, as root        mkdir -p %s
                               printf '\n%%s\n' 'ssh-ed25519 AAAA… alice@laptop' >> %s
                               chmod 644 %s
`,
		defaultOperators, filepath.Dir(defaultOperators), defaultOperators, defaultOperators)
	return hint.Errorf(first, "%w", hint.Errorf(
		"--allow-unsigned does without: then everybody who can publish to the broker can run anything on this host",
		"%w", executor.ErrUntrusting))
}

// hangup gives each SIGHUP: the files are read again. It holds one, since two in
// a row ask for the same.
func hangup() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}
