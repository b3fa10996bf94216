package trust

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
)

func TestOperatorsFile(t *testing.T) {
	a, b, ca := newKey(t, "ed25519").PublicKey(), newKey(t, "ecdsa256").PublicKey(), newKey(t, "rsa2048").PublicKey()
	text := "# who may\n\n" +
		line("", a, "alice of the day shift") +
		"\t " + line(`permit-command="systemctl restart (nginx|\"my app\")",permit-command="df -h",permit-env="LANG,LC_ALL",permit-cwd="`+full("/srv/app")+`",permit-stdin,permit-script,permit-shell,run-as="www-data,app",any-job,expiry-time="20991231Z"`, b, "bob") +
		strings.ReplaceAll(line(`CERT-AUTHORITY,principals="sre,ops"`, ca, ""), "\n", "\r\n")
	o, err := ParseOperators("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	alice, bob, sre := o.keys[string(a.Marshal())], o.keys[string(b.Marshal())], o.authorities[string(ca.Marshal())][0]
	if alice.Comment != "alice of the day shift" || alice.Line != 3 || alice.confined() || alice.anyJob {
		t.Errorf("%+v", alice)
	}
	if len(bob.commands) != 2 || bob.commands[0].String() != `\A(?:systemctl restart (nginx|"my app"))\z` || len(bob.env) != 2 ||
		bob.cwds[0] != full("/srv/app") || !bob.stdin || !bob.script || !bob.shell || len(bob.runAs) != 2 || !bob.anyJob || bob.expires.Year() != 2099 {
		t.Errorf("%+v", bob)
	}
	if sre.Line != 5 || sre.Comment != "" || len(sre.principals) != 2 || sre.String() != "f:5" {
		t.Errorf("%+v", sre)
	}
}

// One bad line refuses the whole file, and the error names the line and the fix.
func TestBadLines(t *testing.T) {
	key := newKey(t, "ed25519").PublicKey()
	k := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	cert := certify(t, newKey(t, "ed25519"), newKey(t, "ed25519"), nil).PublicKey()
	weak := newWeakRSA(t)
	for bad, want := range map[string]string{
		`command="df" ` + k:                                       "option of sshd; Warren restricts",
		`from="10.0.0.0/8" ` + k:                                  `unknown option "from"`,
		`permit-comand="df" ` + k:                                 `unknown option "permit-comand"`,
		`permit-command=df ` + k:                                  "double quotes",
		`permit-command="df ` + k:                                 "closing quote",
		`permit-push="C:\" ` + k:                                  `the root of a drive as "C:/"`,
		`permit-push="C:\app\",permit-push="D:\app" ` + k:         "without a backslash at its end",
		`permit-command="df"x ` + k:                               "something follows",
		`permit-command="df" , any-job ` + k:                      "expected a key type",
		`permit-command="(" ` + k:                                 "missing closing )",
		`permit-command="a)|(b" ` + k:                             "unexpected )",
		`permit-command="\Qa" ` + k:                               "missing closing )",
		`permit-command="" ` + k:                                  "empty",
		`permit-command ` + k:                                     "needs a value",
		`any-job="yes" ` + k:                                      "has no value",
		`any-job,any-job ` + k:                                    "given twice",
		`run-as="a",run-as="b" ` + k:                              "given twice",
		`run-as="a,,b" ` + k:                                      "empty",
		`run-as="a, b" ` + k:                                      "blanks",
		`permit-shell ` + k:                                       "without permit-command",
		`permit-cwd="` + full("/srv") + `" ` + k:                  "without permit-command",
		`permit-command="x",permit-cwd="srv" ` + k:                "full path",
		`permit-command="x",permit-cwd="/srv/../" ` + k:           "full path",
		`permit-env="A=1" ` + k:                                   "not a variable's name",
		`permit-env="LD_*" ` + k:                                  "list the names",
		`expiry-time="tomorrow" ` + k:                             "not a time",
		`expiry-time="20261340" ` + k:                             "not a time",
		`expiry-time="2026112412" ` + k:                           "not a time",
		`cert-authority ` + k:                                     "needs principals",
		`principals="sre" ` + k:                                   "belong to a cert-authority",
		`any-job`:                                                 "no key follows",
		`any-job,`:                                                "has no name",
		`,any-job ` + k:                                           "has no name",
		`ssh-ed25519`:                                             "not base64",
		`ssh-ed25519 AAAA`:                                        "cannot be read",
		`ssh-ed25519 !!!`:                                         "not base64",
		strings.Replace(k, "ssh-ed25519", "ssh-rsa", 1):           `the key is of type "ssh-ed25519"`,
		`ssh-dss AAAA`:                                            `"ssh-dss" are not accepted`,
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))): "cert-authority",
		weak:                               "too short",
		"hello world":                      "unknown option",
		k + " bob\x1b[2J":                  "not text",
		k + " bob\xff":                     "not text",
		"\ufeff" + k:                       "unknown option",
		k[:len(k)-4] + "\n" + k[len(k)-4:]: "",
	} {
		t.Run(bad[:min(len(bad), 40)], func(t *testing.T) {
			text := line("", newKey(t, "ed25519").PublicKey(), "good") + "# comment\n" + bad + "\n"
			_, err := ParseOperators("ops", []byte(text))
			if err == nil || !strings.HasPrefix(err.Error(), "ops:3: ") || !strings.Contains(hint.Text(err), want) {
				t.Errorf("error %v, want %q in line 3", err, want)
			}
		})
	}
	if _, err := ParseOperators("ops", []byte(k+"\n"+k+" again\n")); err == nil || !strings.Contains(err.Error(), "ops:2: it repeats the key of line 1") {
		t.Errorf("a key twice: %v", err)
	}
	for _, empty := range []string{"", "\n\n", "# nobody\n"} {
		if _, err := ParseOperators("ops", []byte(empty)); err == nil || !strings.Contains(err.Error(), "lists no operators") {
			t.Errorf("%q: %v", empty, err)
		}
	}
	if _, err := ParseOperators("ops", make([]byte, maxOperators+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("too large: %v", err)
	}
}

// newWeakRSA returns a line with an RSA key of 1024 bits.
func newWeakRSA(t *testing.T) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t, "rsa1024").PublicKey())))
}

func FuzzOperators(f *testing.F) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(f, "ed25519").PublicKey())))
	for _, options := range []string{
		"", "any-job ", `permit-command="df( -h)?",permit-shell `, `cert-authority,principals="a,b" `, `expiry-time="20260101" `,
		`run-as="*",permit-env="A,B" `, `permit-command="a\"b" `, `from="x" `, `permit-command="( `, `a,,b=" `,
	} {
		f.Add(options + key + " name\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOperators("f", []byte(text))
		switch {
		case err != nil && !strings.HasPrefix(err.Error(), "f:"):
			t.Errorf("an error that does not name the file: %v", err)
		case err == nil && o.Len() == 0:
			t.Error("a file that names nobody")
		case err == nil:
			for _, r := range o.keys {
				run, refusal := r.permits(statement("run", nil).Run, nil, "x")
				if (run == nil) == (refusal == "") || !strings.HasPrefix(r.String(), "f:") {
					t.Errorf("rule %s: %v, %q", r, run, refusal)
				}
			}
		}
	})
}
