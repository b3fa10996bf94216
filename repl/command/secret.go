package command

import (
	"bufio"
	"context"
	"slices"

	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// secret reads the values that are sent but never stored. It returns nil if there are none.
func (c *Run) secret(ctx context.Context, env *Env) (*wire.Secret, error) {
	if len(c.SecretEnv) == 0 && c.SecretStdin == "" {
		return nil, nil
	}
	if err := c.checkSecrets(env); err != nil {
		return nil, err
	}
	secret := new(wire.Secret)
	var lines *bufio.Reader // of standard input
	if in := env.PipedInput(); in != nil {
		lines = bufio.NewReader(in)
	}
	for _, v := range c.SecretEnv {
		value, err := v.Read(ctx, env.IO, lines)
		if err != nil {
			return nil, err
		}
		secret.Env = append(secret.Env, v.Name+"="+value)
	}
	if c.SecretStdin != "" {
		data, err := cli.ToSend.Read("--secret-stdin", c.SecretStdin, env.PipedInput())
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return nil, cli.Usage("", "--secret-stdin %s: it is empty", c.SecretStdin)
		}
		secret.Stdin = data
	}
	return secret, c.fits(secret)
}

// StoreSecretsFlag is a flag of the commands that send secrets.
type StoreSecretsFlag struct {
	StoreSecrets bool `name:"store-secrets-on-broker" help:"With --when-online: allow the broker to store secrets on its disk until offline hosts are back."`
}

// mayStoreSecrets refuses to let secrets wait in an inbox, which is a durable queue:
// the values would lie on the broker's disk, and on those of its cluster, until the
// host is back. It says so where the operator insists.
func (c *StoreSecretsFlag) mayStoreSecrets(env *Env) error {
	if !c.StoreSecrets {
		return cli.Usage("run it on hosts that are online, without --when-online, or add --store-secrets-on-broker",
			"--when-online would store the secrets on the broker's disk until each host is back")
	}
	env.Note("the broker stores the secrets on its disk for each host that is offline, until that host is back or the request expires")
	return nil
}

// checkSecrets refuses what is given twice, before anybody is asked.
func (c *Run) checkSecrets(env *Env) error {
	var names []string
	for _, v := range c.Env {
		names = append(names, v.Name())
	}
	asked := 0
	for _, v := range c.SecretEnv {
		if slices.Contains(names, v.Name) {
			return cli.Usage("", "--secret-env: %s is given twice", v.Name)
		}
		names = append(names, v.Name)
		if v.File == "-" {
			asked++
		}
	}
	piped := 0
	for _, file := range []string{c.Stdin, c.SecretStdin, c.Script} {
		if file == "-" {
			piped++
		}
	}
	switch {
	case c.Stdin != "" && c.SecretStdin != "":
		return cli.Usage("", "--stdin and --secret-stdin cannot be combined")
	case piped > 1 || piped > 0 && asked > 0 && !env.IO.InTerminal:
		return cli.Usage("give one of them as a file", "standard input is used twice")
	}
	return nil
}

// fits refuses at once what would not fit a request beside what it has.
func (c *Run) fits(secret *wire.Secret) error {
	n := 2 * cli.Encoded(secret.Stdin)
	for _, e := range secret.Env {
		n += 2 * len(e) // quoted within a string
	}
	if n > cli.MaxBody/2 {
		return cli.Usage("copy the file to the hosts in another way, or let them download it", "the secrets are too large to send: %s", term.Size(int64(n/2)))
	}
	return nil
}
