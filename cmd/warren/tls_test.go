package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

// Warren on a broker where all speak TLS and certificates are the logins, set up
// by broker-setup.
func TestCertificatesAsLogins(t *testing.T) {
	t.Parallel()
	c := newConfined(t)
	node, authority := rabbittest.Secure(t)
	c.node = node
	c.setUp(0, "--external", "--operator", "tls.alice", "--agent", "tls-h1,tls-alias")
	c.broker = rabbittest.SecureURL(node, "", strings.ReplaceAll(c.vhost, " ", "%20"))
	files := func(name string) []string {
		cert, key, err := authority.Issue(rabbittest.Certificate{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return []string{"--broker-ca", authority.File, "--broker-cert", cert, "--broker-key", key}
	}
	a, err := clitest.StartAgent(c.bin, c.broker, c.home, "tls-h1", append(files("tls-h1"), "--alias", "tls-alias", "--inbox")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Kill() })
	alice := files("tls.alice")
	has(t, c.want(0, append(alice, "run", "echo hello; seq 20000", "--hosts", "tls-h1")...).out, "hello", "done: 1 ok")
	has(t, c.want(0, append(alice, "run", "echo hello", "--hosts", "tls-alias")...).out, "done: 1 ok")

	// A user made for a certificate has no password to guess.
	if out, err := node.Ctl(t.Context(), "authenticate_user", "tls.alice", ""); err == nil {
		t.Errorf("an empty password logs in: %s", out)
	}
	// An operator whose certificate is for another user than its URL says cannot
	// have the other's queues.
	c.broker = strings.Replace(c.broker, "amqps://", "amqps://somebody@", 1) + "?auth_mechanism=external"
	r := c.want(3, append(alice, "run", "true", "--hosts", "tls-h1")...)
	has(t, r.err, "forbid", "warren.reply.somebody.", "hint: ")

	// The broker is not trusted, or cannot be.
	c.broker = rabbittest.SecureURL(node, "", "")
	has(t, c.want(3, "hosts").err, "not from an authority that is trusted here", "--broker-ca")
	has(t, c.want(2, "--broker-ca", c.dir+"/none", "hosts").err, "CA file", "/none cannot be used")
	agent := exec.Command(c.bin+"/warrend", "--allow-unsigned", "--data-dir", c.dir+"/a", "--broker", c.broker, "--broker-ca", c.dir+"/none")
	if said, err := agent.CombinedOutput(); agent.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), "/none cannot be used") {
		t.Errorf("warrend without its CA file: %v\n%s", err, said)
	}
}

// An agent whose certificate expires while it is connected says so when it next connects, and
// the operator likewise. Both use the renewed files without a restart, and jobs continue.
func TestExpiredCertificateIsReplacedWhileConnected(t *testing.T) {
	t.Parallel()
	c := newConfined(t)
	node, authority := rabbittest.Secure(t)
	c.node = node
	c.setUp(0, "--external", "--operator", "renew.alice", "--agent", "renew-h1")
	c.broker = rabbittest.SecureURL(node, "", strings.ReplaceAll(c.vhost, " ", "%20"))
	login := func(name string) []string {
		return []string{"--broker-ca", authority.File, "--broker-cert", filepath.Join(c.dir, name+".cert"), "--broker-key", filepath.Join(c.dir, name+".key")}
	}
	issue := func(notAfter time.Time) {
		t.Helper()
		for _, name := range []string{"renew.alice", "renew-h1"} {
			cert, key, err := authority.Issue(rabbittest.Certificate{Name: name, NotAfter: notAfter})
			if err != nil {
				t.Fatal(err)
			}
			files := login(name)
			if err := errors.Join(os.Rename(key, files[5]), os.Rename(cert, files[3])); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue(time.Time{})
	a, err := clitest.StartAgent(c.bin, c.broker, c.home, "renew-h1", login("renew-h1")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Kill() })
	ready := len(a.Err.String())
	g := newGate(t)
	task := lastWord(c.want(0, append(login("renew.alice"), "run", g.command(), "--hosts", "renew-h1", "--detach")...).out)
	g.begun("renew-h1")

	issue(time.Now().Add(-time.Minute))
	if out, err := node.Ctl(t.Context(), "close_all_user_connections", "renew-h1", "certificates have expired"); err != nil {
		t.Fatal(out, err)
	}
	await(t, &a.Err, `has expired on .* hint="renew it`)
	has(t, c.want(2, append(login("renew.alice"), "hosts")...).err, "has expired on", "hint: renew it")

	issue(time.Time{})
	if _, err := a.Err.Await("msg=ready", ready); err != nil {
		t.Fatal(err)
	}
	g.open()
	has(t, c.want(0, append(login("renew.alice"), "wait", task)...).out, "finished")
	g.once("renew-h1")
}

// secret is a password that is found wherever it is.
const secret = "Hush-7f3a/9c@1e"

// quoted is the same in a URL.
const quoted = "Hush-7f3a%2F9c%401e"

// told reports which spelling of the secret is in a text.
func told(text string) bool {
	return strings.Contains(text, "Hush-7f3a") || strings.Contains(text, "9c@1e") || strings.Contains(text, "9c%401e")
}

// A password is in no output, log, file or process title, whatever goes wrong.
func TestPasswordIsToldNowhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	node := rabbittest.Node(t)
	secure, authority := rabbittest.Secure(t)
	vhost := t.Name()
	if _, err := node.AddVhost(t.Context(), vhost); err != nil {
		t.Fatal(err)
	}
	good, err := node.AddUser(t.Context(), vhost, "keeper", secret, ".*", ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	file := p.dir + "/password"
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	named := fmt.Sprintf("amqp://keeper@127.0.0.1:%d/%s", node.Port, vhost)
	check := func(what, text string) {
		t.Helper()
		if told(text) {
			t.Errorf("%s tells the password:\n%s", what, text)
		}
	}
	warren := func(status int, env []string, args ...string) result {
		t.Helper()
		cmd := exec.Command(p.bin+"/warren", args...)
		cmd.Dir, cmd.Env = p.dir, append(append(os.Environ(), "HOME="+p.home, "WARREN_DATA_DIR="+p.data, "XDG_CONFIG_HOME=", "CLUSTERSHELL_CFGDIR="+p.dir), env...)
		var out, errs clitest.Text
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the status says it
		r := result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
		check(fmt.Sprint("warren ", args), r.out+r.err)
		if r.status != status {
			t.Errorf("warren %q: want %d, got %s", args, status, r)
		}
		return r
	}

	// The ways that work.
	host := p.prefix + "a"
	a, err := clitest.StartAgent(p.bin, named, p.home, host, "--broker-password-file", file, "--log-level", "debug", "--log-format", "text")
	if err != nil {
		t.Fatal(err)
	}
	env := func(vars ...string) []string { return vars }
	run := []string{"run", "env; tr '\\0' ' ' </proc/self/cmdline; ps -eo args | grep warren[d]", "--hosts", host}
	warren(0, env("WARREN_BROKER="+good), run...)
	warren(0, env("WARREN_BROKER="+named, "WARREN_BROKER_PASSWORD="+secret), run...)
	warren(0, env("WARREN_BROKER="+named, "WARREN_BROKER_PASSWORD_FILE="+file), append(run, "--json")...)
	warren(0, nil, "tasks", "--broker", good)
	r := warren(0, nil, "hosts", "--broker", good)
	if !strings.Contains(r.err, "warning: the broker's password is in the arguments") {
		t.Errorf("no warning of ps: %s", r.err)
	}
	if r = warren(0, env("WARREN_BROKER="+good), "hosts", "--json"); strings.Contains(r.err, "warning") || !json.Valid([]byte(r.out)) {
		t.Errorf("a warning without reason, or no document: %s", r)
	}

	warren(0, env("WARREN_BROKER="+good, "WARREN_BROKER_PASSWORD="+secret), "config")
	warren(0, env("WARREN_BROKER="+good), "config", "--json")

	c, err := clitest.StartAgent(p.bin, named, p.home, p.prefix+"c", "--broker", good, "--log-level", "debug")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if said := c.Err.String(); !strings.Contains(said, "the broker's password is in the arguments") || !strings.Contains(said, "amqp://keeper@127.0.0.1") {
		t.Errorf("warrend does not warn of ps, or tells no URL: %s", said)
	}
	check("warrend", c.Out.String()+c.Err.String())

	// The ways that fail, for both programs.
	port := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", n) }
	user := "keeper:" + quoted + "@"
	for _, c := range []struct {
		name, url string
		operator  int  // exit status of warren
		agent     bool // warrend ends too
	}{
		{"wrong password", "amqp://guest:" + quoted + "@" + port(node.Port), 3, false},
		{"nobody there", "amqp://" + user + port(1), 3, false},
		{"no such host", "amqp://" + user + "no-such-host.invalid", 3, false},
		{"no such vhost", "amqp://" + user + port(node.Port) + "/none", 3, false},
		{"TLS to a port without", "amqps://" + user + port(node.Port), 3, false},
		{"no TLS to a port with", "amqp://" + user + port(secure.TLSPort), 3, false},
		{"unknown authority", "amqps://" + user + port(secure.TLSPort), 3, false},
		{"wrong password with TLS", "amqps://" + user + port(secure.TLSPort) + "/?cacertfile=" + authority.File, 3, false},
		{"several", "amqp://" + user + port(1) + ",amqp://" + user + port(2), 3, false},
		{"unquoted user", "amqp://kee/per:" + secret + "@" + port(node.Port), 2, true},
		{"unquoted", "amqp://keeper:" + secret + "@" + port(node.Port), 2, true},
		{"unquoted comma", "amqp://keeper:Hush-7f3a,9c@1e@" + port(node.Port), 2, true},
		{"parameter", "amqp://" + user + port(node.Port) + "/?password=" + quoted, 2, true},
		{"scheme", "http://" + user + port(node.Port), 2, true},
		{"no file", "amqps://" + user + port(node.Port) + "/?cacertfile=/none", 2, true},
	} {
		for _, args := range [][]string{{"hosts"}, {"hosts", "--json"}} {
			warren(c.operator, env("WARREN_BROKER="+c.url), args...)
			warren(c.operator, nil, append(args, "--broker", c.url)...)
		}
		warren(0, env("WARREN_BROKER="+c.url), "config")
		warren(0, nil, "config", "--broker", c.url)
		piped := exec.Command(p.bin + "/warren")
		piped.Dir, piped.Env, piped.Stdin = p.dir, append(p.env(), "WARREN_BROKER="+c.url), strings.NewReader("hosts\ntasks\nnonsense\n")
		said, _ := piped.CombinedOutput()
		check("the prompt, "+c.name, string(said))

		shown := exec.Command(p.bin+"/warrend", "--show-config", "--broker", c.url)
		said, _ = shown.CombinedOutput()
		check("warrend --show-config, "+c.name, string(said))
		if !strings.Contains(string(said), "WARREND_") && !strings.Contains(string(said), "--broker") {
			t.Errorf("warrend --show-config shows nothing: %s", said)
		}
		b, err := clitest.LaunchAgent(p.bin, c.url, p.home, p.prefix+"b", "--log-level", "debug", "--log-format", "json")
		if err != nil {
			t.Fatal(err)
		}
		if !c.agent {
			if _, err := b.Err.Await("no link to the broker", 0); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := b.Stop(); err != nil {
				t.Error(err)
			}
		} else if status, err := b.Wait(); status != 2 {
			t.Errorf("%s: warrend ends with %d, %v", c.name, status, err)
		}
		check("warrend, "+c.name, b.Out.String()+b.Err.String())
	}

	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	check("warrend", a.Out.String()+a.Err.String())
	if err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == file {
			return err
		}
		text, err := os.ReadFile(path)
		check(path, string(text))
		return err
	}); err != nil {
		t.Error(err)
	}
}
