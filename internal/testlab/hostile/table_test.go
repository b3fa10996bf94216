package hostile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// A row is one hostile request.
type row struct {
	name string
	typ  string // run where empty
	edit func(f *forgery)
	host string // what the host's log says
	told string // what its sender is told; empty: nothing
}

// otherFleet is why a request captured in another fleet is refused.
const otherFleet = `signed for fleet "staging"; this host belongs to fleet "` + fleet + `" (--fleet)`

// stranger is what anybody hears who has no say on this host.
const stranger = "rejected: " + wire.NotPermitted

func replace(from, to string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, from) {
			panic("no " + from + " in " + s)
		}
		return strings.Replace(s, from, to, 1)
	}
}

func inBody(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(replace(from, to)(string(b))) }
}

func (f *forgery) certificate(edit func(*ssh.Certificate)) ssh.Signer {
	now := f.clock.Now()
	c := &ssh.Certificate{
		Key: f.mallory.PublicKey(), Serial: 1, CertType: ssh.UserCert, KeyId: "m", ValidPrincipals: []string{"sre"},
		ValidAfter: uint64(now.Add(-time.Hour).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
	}
	edit(c)
	f.check(c.SignCert(rand.Reader, f.ca))
	s, err := ssh.NewCertSigner(c, f.mallory)
	f.check(err)
	return s
}

var rows = []row{
	// Signatures.
	{name: "unsigned", edit: func(f *forgery) { f.by = nil }, host: "not signed", told: stranger},
	{name: "wrong key", edit: func(f *forgery) { f.by = f.mallory }, host: "not authorized", told: stranger},
	{name: "wrong namespace", edit: func(f *forgery) { f.namespace = "file" }, host: "namespace", told: stranger},
	{name: "namespace of another case", edit: func(f *forgery) { f.namespace = "Warren" }, host: "namespace", told: stranger},
	{name: "of another fleet", edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet, told: "rejected: " + otherFleet},
	{name: "of no fleet", edit: func(f *forgery) { f.namespace = wire.Namespace("") }, host: "signed for no fleet", told: "rejected: signed for no fleet"},
	{name: "check of another fleet", typ: wire.TypeCheck, edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet, told: "rejected: " + otherFleet},
	{name: "cancel of another fleet", typ: wire.TypeCancel, edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet, told: "rejected: " + otherFleet},
	{name: "status of another fleet", typ: wire.TypeStatus, edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet, told: "rejected: " + otherFleet},
	{name: "discover of another fleet", typ: wire.TypeDiscover, edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet},
	{name: "of another fleet, wrong key", edit: func(f *forgery) { f.by, f.namespace = f.mallory, wire.Namespace("staging") }, host: "not authorized", told: stranger},
	{name: "of another fleet, tampered with", edit: func(f *forgery) {
		f.namespace, f.tampered = wire.Namespace("staging"), replace("touch", "true;touch")
	}, host: "does not verify", told: stranger},
	{name: "of another fleet, its name changed", edit: func(f *forgery) {
		f.namespace = wire.Namespace("staging")
		f.signature = func(s string) string {
			b, _ := base64.StdEncoding.DecodeString(s)
			at := bytes.Index(b, []byte(f.namespace))
			b = append(append(append(append([]byte(nil), b[:at-4]...), 0, 0, 0, byte(len(wire.Namespace(fleet)))), wire.Namespace(fleet)...), b[at+len(f.namespace):]...)
			return base64.StdEncoding.EncodeToString(b)
		}
	}, host: "does not verify", told: stranger},
	{name: "signature truncated", edit: func(f *forgery) {
		f.signature = func(s string) string { return s[:len(s)-8] }
	}, host: "cannot be read", told: stranger},
	{name: "signature with a bit changed", edit: func(f *forgery) {
		f.signature = func(s string) string {
			b, _ := base64.StdEncoding.DecodeString(s)
			b[len(b)-2] ^= 4
			return base64.StdEncoding.EncodeToString(b)
		}
	}, host: "does not verify", told: stranger},
	{name: "signature of another statement", edit: func(f *forgery) {
		f.signature = func(string) string { return f.sign(`{"type":"run"}`) }
	}, host: "does not verify", told: stranger},
	{name: "alice's key, mallory's signature", edit: func(f *forgery) {
		f.by = f.mallory
		f.signature = func(s string) string {
			b, _ := base64.StdEncoding.DecodeString(s)
			return base64.StdEncoding.EncodeToString(bytes.Replace(b, f.mallory.PublicKey().Marshal(), f.alice.PublicKey().Marshal(), 1))
		}
	}, host: "does not verify", told: stranger},
	{name: "signature of an unknown version", edit: func(f *forgery) {
		f.signature = func(s string) string {
			b, _ := base64.StdEncoding.DecodeString(s)
			b[9] = 2
			return base64.StdEncoding.EncodeToString(b)
		}
	}, host: "version", told: stranger},
	{name: "signature by an unknown hash", edit: func(f *forgery) {
		f.signature = func(s string) string {
			b, _ := base64.StdEncoding.DecodeString(s)
			return base64.StdEncoding.EncodeToString(bytes.Replace(b, []byte("sha512"), []byte("md5sum"), 1))
		}
	}, host: "hash", told: stranger},
	{name: "signature is not base64", edit: func(f *forgery) { f.signature = func(string) string { return "!" } }, host: "not standard base64"},
	{name: "signature with its armour", edit: func(f *forgery) {
		f.signature = func(s string) string { return "-----BEGIN SSH SIGNATURE-----\n" + s + "\n-----END SSH SIGNATURE-----" }
	}, host: "not standard base64"},
	{name: "signature too long", edit: func(f *forgery) {
		f.signature = func(string) string { return strings.Repeat("AAAA", wire.MaxSignature/4+1) }
	}, host: "the limit is"},
	{name: "revoked key", edit: func(f *forgery) { f.by = f.revoked }, host: "revoked", told: stranger},
	{name: "expired key", edit: func(f *forgery) { f.by = f.expired }, host: "expiry-time", told: stranger},
	{name: "an authority's own signature", edit: func(f *forgery) { f.by = f.ca }, host: "not authorized", told: stranger},
	{name: "expired certificate", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter + 1 })
	}, host: "expired", told: stranger},
	{name: "certificate not valid yet", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.ValidAfter = c.ValidBefore - 1 })
	}, host: "not yet valid", told: stranger},
	{name: "host's certificate", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.CertType = ssh.HostCert })
	}, host: "not a user certificate", told: stranger},
	{name: "certificate of another principal", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"intern"} })
	}, host: "no principal", told: stranger},
	{name: "certificate of no principal", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.ValidPrincipals = nil })
	}, host: "no principal", told: stranger},
	{name: "certificate with a command of its own", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} })
	}, host: "force-command", told: stranger},
	{name: "certificate whose principal was changed", edit: func(f *forgery) {
		f.by = f.certificate(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"intern"} })
		f.by.PublicKey().(*ssh.Certificate).ValidPrincipals = []string{"sre"}
	}, host: "not accepted", told: stranger},

	// The statement, and what was signed.
	{name: "other command", edit: func(f *forgery) { f.tampered = replace("touch", "true;touch") }, host: "does not verify", told: stranger},
	{name: "a blank more", edit: func(f *forgery) { f.tampered = replace(`{"type"`, `{ "type"`) }, host: "does not verify", told: stranger},
	{name: "later not-after", edit: func(f *forgery) {
		f.tampered = replace(fmt.Sprint(f.st.NotAfter), fmt.Sprint(f.st.NotAfter+1))
	}, host: "does not verify", told: stranger},
	{name: "a check made a run", typ: wire.TypeCheck, edit: func(f *forgery) {
		f.tampered = replace(`"check"`, `"run"`)
		f.msg = func(m *amqp.Publishing) { m.Type = wire.TypeRun }
	}, host: "does not verify", told: stranger},
	{name: "other reply-to, in both places", edit: func(f *forgery) {
		other := wire.ReplyQueue("mallory", "0123456789abcdef")
		f.tampered = replace(f.replyTo, other)
		f.msg = func(m *amqp.Publishing) { m.ReplyTo = other }
	}, host: "does not verify"}, // and nobody listens there

	// Leaf and path.
	{name: "leaf of another host", edit: func(f *forgery) { f.leaf.Host = "web99" }, host: `for host "web99"`},
	{name: "leaf of the other name, by this queue", edit: func(f *forgery) { f.leaf.Host = aliasName }, host: `for host "hostile-b"`},
	{name: "this host's, by the other queue", edit: func(f *forgery) { f.queue = wire.HostQueue(aliasName) }, host: `for host "hostile-a"`},
	{name: "leaf swapped", edit: func(f *forgery) { f.swapped = replace(f.leaf.Job, uuid.NewString()) }, host: "does not lead"},
	{name: "leaf with a blank more", edit: func(f *forgery) { f.swapped = replace(`{`, `{ `) }, host: "does not lead"},
	{name: "path of another tree", edit: func(f *forgery) { f.path = [][]byte{make([]byte, 32)} }, host: "path"},
	{name: "path too short", edit: func(f *forgery) { f.st.Size = 2 }, host: "path"},
	{name: "path of a short hash", edit: func(f *forgery) { f.st.Size, f.path = 2, [][]byte{make([]byte, 31)} }, host: "path"},
	{name: "path too long", edit: func(f *forgery) {
		for range 30 {
			f.path = append(f.path, make([]byte, 32))
		}
	}, host: "path"},
	{name: "index beyond the tree", edit: func(f *forgery) { f.leaf.Index = 1 }, host: "index"},
	{name: "index below zero", edit: func(f *forgery) { f.leaf.Index = -1 }, host: "index"},
	{name: "a node taken for a leaf", edit: func(f *forgery) {
		f.leafText = func(string) string { return strings.Repeat("x", 64) }
	}, host: "leaf"},
	{name: "tree too large", edit: func(f *forgery) { f.st.Size = wire.MaxLeaves + 1 }, host: "size"},
	{name: "no leaf", edit: func(f *forgery) {
		f.body = func(b []byte) []byte { return append(b[:bytes.Index(b, []byte(`,"leaf"`))], '}') }
	}, host: "leaf is missing"},

	// Properties.
	{name: "property type", edit: func(f *forgery) { f.msg = func(m *amqp.Publishing) { m.Type = wire.TypeCheck } }, host: "property type"},
	{name: "property type missing", edit: func(f *forgery) { f.msg = func(m *amqp.Publishing) { m.Type = "" } }, host: "property type"},
	{name: "property reply_to", edit: func(f *forgery) {
		f.msg = func(m *amqp.Publishing) { m.ReplyTo = wire.ReplyQueue("mallory", "0123456789abcdef") }
	}, host: "property reply_to"},
	{name: "property correlation_id", edit: func(f *forgery) { f.msg = func(m *amqp.Publishing) { m.CorrelationId = uuid.NewString() } }, host: "property correlation_id"},
	{name: "property correlation_id missing", edit: func(f *forgery) { f.msg = func(m *amqp.Publishing) { m.CorrelationId = "" } }, host: "property correlation_id"},

	// Other types, by strangers.
	{name: "cancel, unsigned", typ: wire.TypeCancel, edit: func(f *forgery) { f.by = nil }, host: "not signed", told: stranger},
	{name: "status, unsigned", typ: wire.TypeStatus, edit: func(f *forgery) { f.by = nil }, host: "not signed", told: stranger},
	{name: "check, unsigned", typ: wire.TypeCheck, edit: func(f *forgery) { f.by = nil }, host: "not signed", told: stranger},
	{name: "rights, unsigned", typ: wire.TypeRights, edit: func(f *forgery) { f.by = nil }, host: "not signed", told: stranger},
	{name: "rights, wrong key", typ: wire.TypeRights, edit: func(f *forgery) { f.by = f.mallory }, host: "not authorized", told: stranger},
	{name: "rights, changed", typ: wire.TypeRights, edit: func(f *forgery) { f.tampered = replace(`"not_after":`, `"not_after":9`) }, host: "does not verify", told: stranger},
	{name: "rights of another fleet", typ: wire.TypeRights, edit: func(f *forgery) { f.namespace = wire.Namespace("staging") }, host: otherFleet, told: "rejected: " + otherFleet},
	{name: "rights, late", typ: wire.TypeRights, edit: func(f *forgery) {
		f.st.IssuedAt -= 7_200_000
		f.st.NotAfter -= 7_200_000
	}, host: "its time was up", told: "rejected: its time was up"},
	{name: "discover, unsigned", typ: wire.TypeDiscover, edit: func(f *forgery) { f.by = nil }, host: "not signed"},
	{name: "discover, wrong key", typ: wire.TypeDiscover, edit: func(f *forgery) { f.by = f.mallory }, host: "not authorized"},
	{name: "headers of 40 levels", edit: func(f *forgery) {
		headers := amqp.Table{}
		for range 40 {
			headers = amqp.Table{"h": headers}
		}
		f.msg = func(m *amqp.Publishing) { m.Headers = headers }
	}, host: "property type"},
	{name: "an unknown type", edit: func(f *forgery) { f.statement = replace(`"run"`, `"exec"`) }, host: "unknown message type"},

	// Times.
	{name: "late", edit: func(f *forgery) {
		f.st.IssuedAt -= 7_200_000
		f.st.NotAfter -= 7_200_000
	}, told: "expired: arrived"},
	{name: "from the future", edit: func(f *forgery) {
		f.st.IssuedAt += 7_200_000
		f.st.NotAfter += 7_200_000
	}, told: "rejected: issued 2h0m0s in the future"},
	{name: "valid for too long", edit: func(f *forgery) { f.st.NotAfter += 86_400_000 }, host: "--max-validity", told: "rejected: valid for 24h1m0s"},
	{name: "status, late", typ: wire.TypeStatus, edit: func(f *forgery) {
		f.st.IssuedAt -= 7_200_000
		f.st.NotAfter -= 7_200_000
	}, host: "its time was up", told: "rejected: its time was up"},
	{name: "cancel, from the future", typ: wire.TypeCancel, edit: func(f *forgery) {
		f.st.IssuedAt += 7_200_000
		f.st.NotAfter += 7_200_000
	}, host: "in the future", told: "rejected: issued"},
	{name: "check, late", typ: wire.TypeCheck, edit: func(f *forgery) {
		f.st.IssuedAt -= 7_200_000
		f.st.NotAfter -= 7_200_000
	}, host: "its time was up", told: "rejected: its time was up"},
	{name: "discover, late", typ: wire.TypeDiscover, edit: func(f *forgery) {
		f.st.IssuedAt -= 7_200_000
		f.st.NotAfter -= 7_200_000
	}, host: "its time was up"},
	{name: "ends before it begins", edit: func(f *forgery) { f.st.NotAfter = f.st.IssuedAt - 1 }, host: "not_after"},
	{name: "time beyond all bounds", edit: func(f *forgery) {
		f.statement = replace(fmt.Sprint(f.st.NotAfter), "9223372036854775808")
	}, host: "not an integer"},

	// What a line does not permit.
	{name: "confined, another command", edit: func(f *forgery) { f.by = f.bob }, host: "no permit-command matches", told: "rejected: "},
	{name: "confined, a second command", edit: func(f *forgery) {
		f.by, f.st.Run.Command = f.bob, "echo hello; "+f.st.Run.Command
	}, host: "no permit-command", told: "rejected: "},
	{name: "confined, a substitution", edit: func(f *forgery) {
		f.by, f.st.Run.Command = f.bob, "echo $("+f.st.Run.Command+")"
	}, host: "no permit-command", told: "rejected: "},
	{name: "confined, a shell", edit: func(f *forgery) { f.by, f.st.Run.Command, f.st.Run.Shell = f.bob, "echo", "/bin/sh" }, host: "permit-shell", told: "rejected: "},
	{name: "confined, a script", edit: func(f *forgery) {
		f.by, f.st.Run.Script, f.st.Run.Command = f.bob, []byte(f.st.Run.Command), ""
	}, host: "permit-script", told: "rejected: "},
	{name: "confined, an environment", edit: func(f *forgery) { f.by, f.st.Run.Command, f.st.Run.Env = f.bob, "echo", []string{"A=1"} }, host: "permit-env", told: "rejected: "},
	{name: "confined, a secret environment", edit: func(f *forgery) {
		f.by, f.st.Run.Command = f.bob, "echo"
		f.bind(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","env":["A=hunter2"]}`)
	}, host: "permit-env names A", told: "rejected: "},
	{name: "confined, a directory", edit: func(f *forgery) { f.by, f.st.Run.Command, f.st.Run.Cwd = f.bob, "echo", f.dir }, host: "permit-cwd", told: "rejected: "},
	{name: "confined, an input", edit: func(f *forgery) { f.by, f.st.Run.Command, f.st.Run.Stdin = f.bob, "echo", []byte("x") }, host: "permit-stdin", told: "rejected: "},
	{name: "the loader's variables", edit: func(f *forgery) { f.st.Run.Env = []string{"LD_PRELOAD=/tmp/x.so"} }, host: "LD_PRELOAD", told: "rejected: "},
	{name: "another user", edit: func(f *forgery) { f.st.Run.User = "nobody" }, host: "run-as", told: "rejected: "},

	// The secret part.
	{name: "secret of no hash", edit: func(f *forgery) { f.secret = `{"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}` }, host: "not bound"},
	{name: "secret missing", edit: func(f *forgery) { f.bind("x"); f.secret = "" }, host: "secret is missing"},
	{name: "secret swapped", edit: func(f *forgery) {
		f.bind(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","env":["A=1"]}`)
		f.secret = `{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","env":["A=2"]}`
	}, host: "does not match"},
	{name: "secret with a short salt", edit: func(f *forgery) { f.bind(`{"salt":"AAAA"}`) }, host: "salt"},

	// Decoding.
	{name: "no JSON", edit: func(f *forgery) { f.body = func([]byte) []byte { return []byte("rm -rf /") } }, host: "not JSON"},
	{name: "nothing", edit: func(f *forgery) { f.body = func([]byte) []byte { return nil } }, host: "not JSON"},
	{name: "null", edit: func(f *forgery) { f.body = func([]byte) []byte { return []byte("null") } }, host: "null"},
	{name: "an array", edit: func(f *forgery) { f.body = func(b []byte) []byte { return append(append([]byte("["), b...), ']') } }, host: "not an object"},
	{name: "deep JSON", edit: func(f *forgery) { f.body = func([]byte) []byte { return bytes.Repeat([]byte("["), 200_000) } }, host: "not an object"},
	{name: "deep JSON in a member", edit: func(f *forgery) {
		f.body = inBody(`"v":1`, `"v":`+strings.Repeat("[", 200_000))
	}, host: "not an integer"},
	{name: "deep JSON in the statement", edit: func(f *forgery) {
		f.statement = replace(`"run":{`, `"run":`+strings.Repeat(`{"run":`, 1000)+"{")
	}, host: "not a member"},
	{name: "too large", edit: func(f *forgery) {
		f.body = func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), wire.MaxRequest)...) }
	}, host: "too large"},
	{name: "other version", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":2`) }, host: "version"},
	{name: "repeated member", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":1,"v":1`) }, host: "repeated"},
	{name: "repeated member, escaped", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":1,"\u0076":1`) }, host: "repeated"},
	{name: "repeated in the statement", edit: func(f *forgery) { f.statement = replace(`"type":"run"`, `"type":"check","type":"run"`) }, host: "repeated"},
	{name: "member in other case", edit: func(f *forgery) { f.body = inBody(`"statement"`, `"Statement"`) }, host: `"Statement" is not a member`},
	{name: "member in other case, in the statement", edit: func(f *forgery) { f.statement = replace(`"command"`, `"Command"`) }, host: "is not a member"},
	{name: "unknown member", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":1,"sudo":true`) }, host: "is not a member"},
	{name: "unknown member of the statement", edit: func(f *forgery) { f.statement = replace(`"type"`, `"sudo":true,"type"`) }, host: "is not a member"},
	{name: "null member", edit: func(f *forgery) { f.statement = replace(`"run":{`, `"of":null,"run":{`) }, host: "null"},
	{name: "empty optional member", edit: func(f *forgery) { f.statement = replace(`"run":{`, `"run":{"user":"",`) }, host: "is empty"},
	{name: "number as text", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":"1"`) }, host: "not an integer"},
	{name: "number with a fraction", edit: func(f *forgery) { f.body = inBody(`"v":1`, `"v":1.0`) }, host: "not an integer"},
	{name: "something behind", edit: func(f *forgery) { f.body = func(b []byte) []byte { return append(b, b...) } }, host: "not JSON"},
	{name: "cut in half", edit: func(f *forgery) { f.body = func(b []byte) []byte { return b[:len(b)/2] } }, host: "not JSON"},
	{name: "byte order mark", edit: func(f *forgery) { f.body = func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) } }, host: "not JSON"},
	{name: "not UTF-8", edit: func(f *forgery) { f.body = inBody(`touch`, "\xfftouch") }, host: "not JSON"},
	{name: "overlong UTF-8", edit: func(f *forgery) { f.body = inBody(`touch`, "\xc0\xaftouch") }, host: "not JSON"},
	{name: "half a surrogate", edit: func(f *forgery) { f.statement = replace(`touch`, `\ud800touch`) }, host: "not JSON"},
	{name: "NUL in the command", edit: func(f *forgery) { f.statement = replace(`touch`, `\u0000touch`) }, host: "NUL"},
	{name: "two things to do", edit: func(f *forgery) { f.st.Run.Argv = []string{"touch", f.dir + "/x"} }, host: "argv"},
	{name: "nothing to do", edit: func(f *forgery) { f.st.Run.Command = "" }, host: "exactly one of"},
	{name: "variable without a name", edit: func(f *forgery) { f.st.Run.Env = []string{"=x"} }, host: "env[0]"},
	{name: "variable of a function", edit: func(f *forgery) { f.st.Run.Env = []string{"BASH_FUNC_x%%=() { :; }"} }, host: "env[0]"},
	{name: "variable twice", edit: func(f *forgery) { f.st.Run.Env = []string{"A=1", "A=2"} }, host: "repeats"},
	{name: "timeout below zero", edit: func(f *forgery) { f.st.Run.TimeoutMS = -1 }, host: "timeout_ms"},
	{name: "timeout beyond the limit", edit: func(f *forgery) { f.st.Run.TimeoutMS = wire.MaxTimeout.Milliseconds() + 1 }, host: "timeout_ms"},
	{name: "timeout left out", edit: func(f *forgery) { f.statement = replace(`"timeout_ms":10000,`, ``) }, host: "timeout_ms is missing"},
	{name: "leftovers not to be killed", edit: func(f *forgery) { f.statement = replace(`"run":{`, `"run":{"kill_leftovers":false,`) }, host: "is empty"},
	{name: "leftovers by a number", edit: func(f *forgery) { f.statement = replace(`"run":{`, `"run":{"kill_leftovers":1,`) }, host: "not a boolean"},
	{name: "id that is a path", edit: func(f *forgery) { f.leaf.Job = "../../../../etc/passwd" }, host: "job"},
	{name: "id in capitals", edit: func(f *forgery) { f.leaf.Job = strings.ToUpper(f.leaf.Job) }, host: "job"},
	{name: "task that is a path", edit: func(f *forgery) { f.st.Task = "../x" }, host: "task"},
	{name: "host in capitals", edit: func(f *forgery) { f.leaf.Host = strings.ToUpper(hostName) }, host: "host"},
	{name: "leaf of this host, with a dot at its end", edit: func(f *forgery) { f.leaf.Host = hostName + "." }, host: "normal form"},
	{name: "leaf of an address in another form", edit: func(f *forgery) { f.leaf.Host = "2001:0db8::10" }, host: "normal form"},
	{name: "reply to a host's queue", edit: func(f *forgery) { f.st.ReplyTo = wire.HostQueue(hostName) }, host: "reply_to"},
	{name: "reply to a wildcard", edit: func(f *forgery) { f.st.ReplyTo = "warren.reply.#.*" }, host: "reply_to"},
}

// bind puts the secret's hash into the statement.
func (f *forgery) bind(secret string) {
	sum := sha256.Sum256([]byte(secret))
	f.secret, f.st.Run.SecretHash = secret, sum[:]
}

// None of them is executed, each is refused as it should be, and the agent lives.
func TestHostileRequests(t *testing.T) {
	s := newScene(t, nil)
	if len(rows) < 60 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s.t = t
			s.clock.advance(time.Second)
			typ := r.typ
			if typ == "" {
				typ = wire.TypeRun
			}
			f := s.forge(typ)
			r.edit(f)
			reasons, replies := s.judged(f.queue, f.make(), r.told != "")
			logged := strings.Join(reasons, "; ")
			if !strings.Contains(logged, r.host) || r.host == "" && logged != "" {
				t.Errorf("the host logs %q, want %q", logged, r.host)
			}
			if strings.Contains(logged, "hunter2") {
				t.Errorf("the host's log tells a secret: %q", logged)
			}
			switch {
			case r.told == "" && len(replies) > 0:
				t.Errorf("its sender hears %q", said(replies[0]))
			case r.told != "" && (len(replies) != 1 || !strings.HasPrefix(said(replies[0]), r.told)):
				t.Errorf("its sender hears %q, want %q", said(replies[0]), r.told)
			case r.told == stranger && said(replies[0]) != stranger:
				t.Errorf("a stranger is told %q", said(replies[0]))
			}
			if files := s.touched(); len(files) > 0 {
				t.Errorf("executed: %q", files)
			}
		})
	}
	s.t = t
	s.clock.advance(time.Second)
	good := s.forge(wire.TypeRun)
	if _, replies := s.judged(good.queue, good.make(), true); said(replies[0]) != "exited: " || len(s.touched()) != 1 {
		t.Errorf("the agent does not work any more: %s, %q", said(replies[0]), s.touched())
	}
	t.Logf("%d hostile requests", len(rows))
}
