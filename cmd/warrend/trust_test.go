//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/operator/signing"
	"warren/internal/testlab/clitest"
)

// A keyring is the authorized_operators of an agent that runs, with the test's key
// and another one.
type keyring struct {
	*place
	agent       *clitest.Process
	file        string
	mine, other string // lines
}

func newKeyring(t *testing.T) *keyring {
	p := newPlace(t)
	k := &keyring{place: p, file: filepath.Join(p.home, "etc", "authorized_operators")}
	k.ok(os.Mkdir(filepath.Dir(k.file), 0o755))
	mine, err := os.ReadFile(os.Getenv("WARREND_AUTHORIZED_OPERATORS"))
	k.ok(err)
	k.mine = string(mine)
	k.other, err = signing.Create(filepath.Join(p.home, "other"), "other")
	k.ok(err)
	k.other = strings.TrimSpace(k.other) + "\n"
	k.write(k.mine + k.other)
	k.agent = p.agent("--authorized-operators", k.file, "--workers", "1")
	return k
}

func (k *keyring) ok(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *keyring) write(text string) { k.t.Helper(); k.ok(os.WriteFile(k.file, []byte(text), 0o600)) }

func (k *keyring) chmod(mode os.FileMode) {
	k.t.Helper()
	k.ok(os.Chmod(filepath.Dir(k.file), mode))
}

// may runs a command, and wants it to be permitted, or rejected.
func (k *keyring) may(what string, want bool) {
	k.t.Helper()
	k.t.Logf("%s: permitted %v", what, want)
	if want {
		k.has(k.warren(0, "run", "echo 'it ran'", "--hosts", k.id), "it ran")
		return
	}
	p := k.operator("run", "echo 'it ran'", "--hosts", k.id)
	status, err := p.Wait()
	k.ok(err)
	if status != 1 {
		k.t.Errorf("status %d", status)
	}
	k.has(p.Out.String(), "rejected", "not permitted on this host")
	k.has(p.Err.String(), "hint: the task was signed with SHA256:")
}

// Rights that are taken away from an agent that runs are gone with the next request,
// and those that are given are there, without a signal.
func TestRightsTakenAwayFromARunningAgent(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.may("at first", true)
	for _, c := range []struct {
		what   string
		remove func()
	}{
		{"line removed", func() { k.write(k.other) }},
		{"file emptied", func() { k.write("") }},
		{"file deleted", func() { k.ok(os.Remove(k.file)) }},
		{"directory deleted", func() { k.ok(os.RemoveAll(filepath.Dir(k.file))); k.ok(os.Mkdir(filepath.Dir(k.file), 0o755)) }},
		{"line removed, another one bad", func() { k.write(k.other + "oops\n") }},
		{"options misspelled", func() { k.write(`permit-comand="df" ` + k.mine + k.other) }},
	} {
		c.remove()
		k.may(c.what, false)
		k.write(k.mine + k.other)
		k.may(c.what+", and mended", true)
	}
	k.write(k.mine + k.other + "oops\n")
	k.may("another line bad", true)
	_, warning := k.hosts()
	k.has(warning, "warning: "+k.id+" refuses its authorized_operators: "+k.file+":3: no key follows", "only removals from the file apply")

	k.write(k.mine + k.other)
	k.chmod(0o775)
	k.may("others may write the directory", true)
	k.write(k.other)
	k.may("others may have changed the file", true)
	list, warning := k.hosts()
	k.has(warning, "warning: "+k.id+" refuses its authorized_operators: others may write "+filepath.Dir(k.file)+" (mode 0775); until it is repaired, the last valid version applies")
	k.has(list, `"refused_files":[{"file":"authorized_operators","problem":"mode","path":"`+filepath.Dir(k.file)+`","uid":null,"mode":"0775"`)
	k.chmod(0o755)
	k.may("directory mended, and the file was changed", false)
	k.write(k.mine)
	k.may("at last", true)
	if _, warning := k.hosts(); strings.Contains(warning, "refuses") {
		t.Errorf("it warns: %s", warning)
	}
}

// A job that waits is judged by the files of the moment in which it begins.
func TestWaitingJobOfARemovedKeyNeverBegins(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.warren(0, "run", "echo >begun; until test -e go; do sleep 0.05; done; echo >first", "--hosts", k.id, "--detach", "--timeout", "10m")
	k.exists("begun")
	k.warren(0, "run", "echo >second", "--hosts", k.id, "--detach")
	k.await(&k.agent.Err, `msg=accepted`)
	k.write(k.other)
	k.ok(os.WriteFile(filepath.Join(k.home, "go"), nil, 0o600))
	k.exists("first")
	k.await(&k.agent.Err, `msg=ended .*outcome=rejected .*no longer permitted`)
	if _, err := os.Stat(filepath.Join(k.home, "second")); err == nil {
		t.Error("it ran")
	}
}

// hosts asks the agent, and returns what is said on standard output and error.
func (k *keyring) hosts() (list, warnings string) {
	k.t.Helper()
	p := k.operator("hosts", "--hosts", k.id, "--json")
	status, err := p.Wait()
	k.ok(err)
	if status != 0 {
		k.t.Errorf("status %d", status)
	}
	return p.Out.String(), p.Err.String()
}
