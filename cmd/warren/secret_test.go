//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

// kept looks through all files below a directory for a secret, in any form that
// something of ours could have given it.
func kept(t *testing.T, dir, secret string) (found []string) {
	t.Helper()
	forms := [][]byte{
		[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(hex.EncodeToString([]byte(secret))),
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, form := range forms {
			if bytes.Contains(text, form) {
				found = append(found, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Secrets reach the command, and nothing of the operator's keeps them: no store,
// no log, no history, nothing that is printed. Once the job has ended the agent
// has forgotten them too.
func TestSecretsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, agent := p.agent("a")
	const fromFile, fromPipe, fromStdin, typed = "hunter2-file-0451", "hunter2-pipe-0452", "hunter2-stdin-0453", "hunter2-typed-0454"
	for name, text := range map[string]string{"token": fromFile + "\n", "input": fromStdin + "\n"} {
		if err := os.WriteFile(p.dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The command says what it has got without saying it.
	const command = `printf '%s %s %s ' "$TOKEN" "$PIPED" "$(cat)" | tr 'a-z0-9' 'A-ZA-J'`
	want := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return 'A' + r - '0'
		}
		return r
	}, strings.ToUpper(fromFile+" "+fromPipe+" "+fromStdin+" "))
	for _, form := range [][]string{nil, {"--json"}} {
		r := p.reading(strings.NewReader(fromPipe+"\n"), append([]string{
			"run", command, "--hosts", host,
			"--secret-env", "TOKEN=@token", "--secret-env", "PIPED=-", "--secret-stdin", "input",
		}, form...)...)
		if r.status != 0 || !strings.Contains(r.out, want) {
			t.Fatalf("%s", r)
		}
		if strings.Contains(r.out+r.err, "hunter2") {
			t.Errorf("shown: %s", r)
		}
	}

	// At the prompt it is asked for, without echo.
	term := clitest.StartTerminal(t, p.command(), 100)
	term.Expect(`warren> `)
	term.Type(`run 'test "$TYPED" = "` + strings.Replace(typed, "hunter2", `hunter""2`, 1) + `"' --hosts ` + host + ` --secret-env TYPED=- --wait` + "\r")
	term.Expect(`TYPED: `)
	term.Type(typed + "\r")
	term.Expect(`1 ok`)
	term.Expect(`warren> `)
	term.Type("exit\r")
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
	if strings.Contains(term.Screen.String(), typed) {
		t.Errorf("on the screen: %q", term.Screen.String())
	}

	for _, secret := range []string{fromFile, fromPipe, fromStdin, typed} {
		if found := kept(t, p.data, secret); len(found) > 0 {
			t.Errorf("%s is in %q", secret, found)
		}
		if strings.Contains(agent.Err.String(), secret) {
			t.Errorf("%s is in the agent's log", secret)
		}
	}
	if found := kept(t, p.data, command[:12]); len(found) == 0 {
		t.Error("the command itself is not found: the search is wrong")
	}
	private(t, p.data)
	private(t, p.home+"/agent-"+host)
}

// private fails the test for each file or directory that others may look into.
func private(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%s: %v, %d files", dir, err, files)
	}
}
