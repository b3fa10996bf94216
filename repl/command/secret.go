package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"warren/internal/hint"
	"warren/internal/textfile"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/lineedit"
	"warren/repl/term"
)

// A secretVariable is NAME=@FILE, or NAME=- to be asked for. A value itself has
// no place on a command line: history files, audit logs and `ps` show it.
type secretVariable struct {
	name string
	file string // "-": it is asked for
}

func (v *secretVariable) UnmarshalText(text []byte) error {
	name, source, ok := strings.Cut(string(text), "=")
	file, isFile := strings.CutPrefix(source, "@")
	switch {
	case ok && name != "" && isFile && file != "":
		*v = secretVariable{name, file}
	case ok && name != "" && source == "-":
		*v = secretVariable{name, "-"}
	default: // without the text, which may be the secret
		return cli.Usage("write it as in --secret-env TOKEN=@FILE, or TOKEN=- to be asked for it", "it is neither NAME=@FILE nor NAME=-")
	}
	return nil
}

// secret reads what is to be sent and kept nowhere; nil where there is none.
func (c *runCommand) secret(ctx context.Context, env *Env) (*wire.Secret, error) {
	if len(c.SecretEnv) == 0 && c.SecretStdin == "" {
		return nil, nil
	}
	if err := c.checkSecrets(env); err != nil {
		return nil, err
	}
	secret := new(wire.Secret)
	var lines *bufio.Reader // of standard input
	if in := env.pipedInput(); in != nil {
		lines = bufio.NewReader(in)
	}
	for _, v := range c.SecretEnv {
		value, err := v.read(ctx, env, lines)
		if err != nil {
			return nil, err
		}
		secret.Env = append(secret.Env, v.name+"="+value)
	}
	if c.SecretStdin != "" {
		data, err := toSend.Read("--secret-stdin", c.SecretStdin, env.pipedInput())
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

// mayStoreSecrets refuses to let secrets wait in an inbox, which is a durable queue:
// the values would lie on the broker's disk, and on those of its cluster, until the
// host is back. It says so where the operator insists.
func (c *sendFlags) mayStoreSecrets(env *Env) error {
	if !c.StoreSecrets {
		return cli.Usage("send it to hosts that are online, without --when-online; --store-secrets-on-broker sends it all the same",
			"--when-online would store the secrets on the broker's disk until each host is back")
	}
	env.Note("the broker stores the secrets on its disk for each host that is offline, until that host is back or the request expires")
	return nil
}

// checkSecrets refuses what is given twice, before anybody is asked.
func (c *runCommand) checkSecrets(env *Env) error {
	var names []string
	for _, v := range c.Env {
		names = append(names, v.Name())
	}
	asked := 0
	for _, v := range c.SecretEnv {
		if slices.Contains(names, v.name) {
			return cli.Usage("", "--secret-env: %s is given twice", v.name)
		}
		names = append(names, v.name)
		if v.file == "-" {
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
		return cli.Usage("", "--stdin and --secret-stdin contradict each other")
	case piped > 1 || piped > 0 && asked > 0 && !env.IO.InTerminal:
		return cli.Usage("give one of them as a file", "standard input is asked for twice")
	}
	return nil
}

// read returns a variable's value: a file without the end of its last line, or
// what is typed, without echo, or the next line of standard input.
func (v secretVariable) read(ctx context.Context, env *Env, lines *bufio.Reader) (string, error) {
	value, err := v.source(ctx, env, lines)
	switch {
	case err != nil:
		return "", cli.WithStatus(cli.ExitUsage, fmt.Errorf("--secret-env %s: %w", v.name, err))
	case !utf8.ValidString(value), strings.ContainsRune(value, 0):
		return "", cli.Usage("send bytes with --secret-stdin", "--secret-env %s: the value is not text, in UTF-8 and without NUL", v.name)
	case len(v.name)+1+len(value) > wire.MaxArg:
		return "", cli.Usage("send it with --secret-stdin", "--secret-env %s: the value has %d bytes, more than a variable may have", v.name, len(value))
	}
	return value, nil
}

func (v secretVariable) source(ctx context.Context, env *Env, lines *bufio.Reader) (string, error) {
	switch {
	case v.file != "-":
		text, err := readSecretFile(v.file)
		return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
	case env.IO.InTerminal && env.IO.Secret != nil:
		return env.IO.Secret(ctx, v.name+": ")
	case lines == nil:
		return "", hint.New("standard input is where the commands come from", "name a file: "+v.name+"=@FILE")
	}
	value, err := lineedit.ReadLine(lines)
	if errors.Is(err, io.EOF) {
		return "", errors.New("standard input has no line for it")
	}
	return value, err
}

// readSecretFile reads a file whole; a variable holds no more than that anyway.
func readSecretFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 2*wire.MaxArg+8)) // as UTF-16 it may be twice as long
	if err != nil {
		return "", err
	}
	return string(textfile.ToUTF8(data)), nil
}

// fits refuses at once what would not fit a request beside what it has.
func (c *runCommand) fits(secret *wire.Secret) error {
	n := 2 * encoded(secret.Stdin)
	for _, e := range secret.Env {
		n += 2 * len(e) // quoted within a string
	}
	if n > maxBody/2 {
		return cli.Usage("copy the file to the hosts by other means, or have them fetch it", "the secrets are too large to send: %s", term.Size(int64(n/2)))
	}
	return nil
}
