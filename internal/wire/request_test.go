package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"warren/internal/hostname"
	"warren/internal/wire/merkle"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// bodyOf makes a body of any statement text, leaf text and more members, with a
// right root of a tree of one leaf where the statement says $ROOT.
func bodyOf(statement, leaf, more string) string {
	quote := func(s string) string { b, _ := jsontext.AppendQuote(nil, s); return string(b) }
	hash := merkle.HashLeaf([]byte(leaf))
	root := base64.StdEncoding.EncodeToString(hash[:])
	return `{"v":1,"statement":` + quote(strings.ReplaceAll(statement, "$ROOT", root)) +
		`,"signature":"","leaf":` + quote(leaf) + `,"path":[]` + more + `}`
}

const (
	runText = `{"type":"run","task":"` + sampleTask + `","issued_at":1767225600000,"not_after":1767225660000,` +
		`"reply_to":"` + sampleReply + `","root":"$ROOT","size":1,"run":{"command":"uname -a","timeout_ms":60000,"max_output":1048576}}`
	leafText = `{"job":"0b1c2d3e-4f50-4a6b-8c7d-000000000000","host":"web01","index":0}`
)

// Whatever else its texts hold, a whole request with a right root is decoded up
// to the member that the change has spoilt.
func TestDecodeRequestNamesTheMember(t *testing.T) {
	if _, err := DecodeRequest([]byte(bodyOf(runText, leafText, ""))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		old, new string // change of the statement
		want     string
	}{
		{`"type":"run"`, `"type":"run","type":"run"`, `statement."type" is repeated`},
		{`"type":"run"`, `"type":"run","\u0074ype":"run"`, `statement."type" is repeated`},
		{`"type":"run"`, `"Type":"run"`, `statement."Type" is not a member`},
		{`"type":"run"`, `"type":null`, `statement.type is null`},
		{`"type":"run"`, `"type":1`, `statement.type is not a string`},
		{`"type":"run",`, ``, `statement.type is missing`},
		{`{"type"`, `[{"type"`, `statement is not an object`},
		{`"type":"run"`, `"type":"check","of":{"issued_at":1,"not_after":1}`, `statement.of does not belong`},
		{sampleTask, "1", `statement.task is not a UUID`},
		{sampleTask, strings.ToUpper(sampleTask), `statement.task is not a UUID`},
		{`"issued_at":1767225600000`, `"issued_at":0`, `statement.issued_at is out of range`},
		{`"issued_at":1767225600000`, `"issued_at":-5`, `statement.issued_at is out of range`},
		{`"issued_at":1767225600000`, `"issued_at":1.5`, `statement.issued_at is not an integer`},
		{`"issued_at":1767225600000`, `"issued_at":1e9`, `statement.issued_at is not an integer`},
		{`"issued_at":1767225600000`, `"issued_at":"1767225600000"`, `statement.issued_at is not an integer`},
		{`"issued_at":1767225600000`, `"issued_at":1767225660001`, `statement.not_after precedes`},
		{`"not_after":1767225660000`, `"not_after":9223372036854775808`, `statement.not_after is not an integer`},
		{`"not_after":1767225660000`, `"not_after":9223372036854775807`, `statement.not_after is out of range`},
		{sampleReply, `warren.host.web01`, `statement.reply_to is not`},
		{`"root":"$ROOT",`, ``, `statement.root is missing`},
		{`"root":"$ROOT"`, `"root":""`, `statement.root is empty`},
		{`"root":"$ROOT"`, `"root":"AAAA"`, `statement.root has 3 bytes`},
		{`"root":"$ROOT"`, `"root":"*AAA"`, `statement.root is not standard base64`},
		{`"root":"$ROOT"`, `"root":"AB=="`, `statement.root is not standard base64`},
		{`"root":"$ROOT"`, `"root":"A-A="`, `statement.root is not standard base64`},
		{`"root":"$ROOT"`, `"root":"*AAAAAAA"`, `statement.root is not standard base64`},
		{`"root":"$ROOT"`, `"root":[1,2]`, `statement.root is not a base64 string`},
		{`"size":1`, `"size":0`, `statement.size is empty`},
		{`"size":1`, `"size":-1`, `statement.size is out of range`},
		{`"size":1`, `"size":-0`, `statement.size is not an integer`},
		{`"size":1`, `"size":1048577`, `statement.size is out of range`},
		{`"size":1`, `"size":2`, `path does not lead`},
		{`,"run":{"command":"uname -a","timeout_ms":60000,"max_output":1048576}`, ``, `statement.run is missing`},
		{`"run":{"command":"uname -a","timeout_ms":60000,"max_output":1048576}`, `"run":{}`, `statement.run.timeout_ms is missing`},
		{`"command":"uname -a",`, ``, `statement.run has not exactly one`},
		{`"command":"uname -a"`, `"command":""`, `statement.run.command is empty`},
		{`"command":"uname -a"`, `"command":"a","argv":["b"]`, `statement.run has not exactly one`},
		{`"command":"uname -a"`, `"command":"a","script":"AAAA"`, `statement.run has not exactly one`},
		{`"command":"uname -a"`, `"command":"a","script":"AAAA","argv":["b"]`, `statement.run has not exactly one`},
		{`"command":"uname -a"`, `"argv":[]`, `statement.run.argv is empty`},
		{`"command":"uname -a"`, `"argv":[""]`, `statement.run.argv[0] is empty`},
		{`"command":"uname -a"`, `"argv":["a",null]`, `statement.run.argv[1] is null`},
		{`"command":"uname -a"`, `"argv":["a",["b"]]`, `statement.run.argv[1] is not a string`},
		{`"command":"uname -a"`, `"argv":["a","\u0000"]`, `statement.run.argv[1] contains a NUL`},
		{`"command":"uname -a"`, `"argv":["a"],"shell":"sh"`, `statement.run.shell does not belong`},
		{`"command":"uname -a"`, `"argv":[` + strings.Repeat(`"a",`, MaxArgs) + `"a"]`, `statement.run.argv has 4097`},
		{`"command":"uname -a"`, `"argv":["` + strings.Repeat(`a`, MaxArg+1) + `"]`, `statement.run.argv[0] has 131072`},
		{`"command":"uname -a"`, `"command":"` + strings.Repeat(`a`, MaxArg+1) + `"`, `statement.run.command has 131072`},
		{`"command":"uname -a"`, `"command":"a\u0000b"`, `statement.run.command contains a NUL`},
		{`"command":"uname -a"`, `"command":"\ud800"`, `statement.run.command is not JSON`},
		{`"command":"uname -a"`, `"command":"a","Cwd":"/"`, `statement.run."Cwd" is not a member`},
		{`"command":"uname -a"`, `"command":"a","cwd":"/\u0000"`, `statement.run.cwd contains a NUL`},
		{`"command":"uname -a"`, `"command":"a","cwd":"` + strings.Repeat(`a`, MaxFileName+1) + `"`, `statement.run.cwd has 4097`},
		{`"command":"uname -a"`, `"command":"a","shell":"` + strings.Repeat(`a`, MaxFileName+1) + `"`, `statement.run.shell has 4097`},
		{`"command":"uname -a"`, `"command":"a","user":"` + strings.Repeat(`a`, MaxUser+1) + `"`, `statement.run.user has 257`},
		{`"command":"uname -a"`, `"command":"a","env":["A"]`, `statement.run.env[0] is not NAME=value`},
		{`"command":"uname -a"`, `"command":"a","env":["=A"]`, `statement.run.env[0] is not NAME=value`},
		{`"command":"uname -a"`, `"command":"a","env":["A=1","1A=1"]`, `statement.run.env[1] is not NAME=value`},
		{`"command":"uname -a"`, `"command":"a","env":["Ä=1"]`, `statement.run.env[0] is not NAME=value`},
		{`"command":"uname -a"`, `"command":"a","env":["A=\u0000"]`, `statement.run.env[0] contains a NUL`},
		{`"command":"uname -a"`, `"command":"a","env":["A=1","A=2"]`, `statement.run.env[1] repeats the name A`},
		{`"command":"uname -a"`, `"command":"a","env":[` + strings.Repeat(`"A=1",`, MaxEnv) + `"A=1"]`, `statement.run.env has 1025`},
		{`"command":"uname -a"`, `"command":"a","secret_hash":"AAAA"`, `statement.run.secret_hash has 3 bytes`},
		{`"timeout_ms":60000`, `"timeout_ms":-1`, `statement.run.timeout_ms is out of range`},
		{`"timeout_ms":60000`, `"timeout_ms":null`, `statement.run.timeout_ms is null`},
		{`"timeout_ms":60000`, `"timeout_ms":"0"`, `statement.run.timeout_ms is not an integer`},
		{`"timeout_ms":60000`, `"timeout_ms":2592000001`, `statement.run.timeout_ms is out of range`},
		{`"timeout_ms":60000,`, ``, `statement.run.timeout_ms is missing`},
		{`"max_output":1048576`, `"max_output":1,"kill_leftovers":false`, `statement.run.kill_leftovers is empty`},
		{`"max_output":1048576`, `"max_output":1,"kill_leftovers":1`, `statement.run.kill_leftovers is not a boolean`},
		{`"max_output":1048576`, `"max_output":-1`, `statement.run.max_output is out of range`},
		{`"max_output":1048576`, `"max_output":67108865`, `statement.run.max_output is out of range`},
		{`"max_output":1048576`, `"max_output":true`, `statement.run.max_output is not an integer`},
		{`1048576}}`, `1048576}}{}`, `statement is not JSON`},
		{`1048576}}`, `1048576}`, `statement is not JSON`},
	} {
		_, err := DecodeRequest([]byte(bodyOf(edit(t, runText, c.old, c.new), leafText, "")))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s → %.60s: %v; want %s", c.old, c.new, err, c.want)
		}
	}
}

func TestDecodeRequestNamesTheMemberOfTheLeaf(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"job":"0b1c2d3e-4f50-4a6b-8c7d-000000000000",`, ``, `leaf.job is missing`},
		{`0b1c2d3e`, `0B1C2D3E`, `leaf.job is not a UUID`},
		{`"host":"web01"`, `"host":"web01","host":"web02"`, `leaf."host" is repeated`},
		{`"host":"web01"`, `"host":null`, `leaf.host is null`},
		{`"host":"web01"`, `"host":"Web01"`, `leaf.host is not a host name`},
		{`"host":"web01"`, `"host":"web 01"`, `leaf.host is not a host name`},
		{`"host":"web01"`, `"host":""`, `leaf.host is not a host name`},
		{`"host":"web01"`, `"host":"` + strings.Repeat("a", hostname.MaxLength+1) + `"`, `leaf.host is not a host name`},
		{`"index":0`, `"index":-1`, `leaf.index is not below`},
		{`"index":0`, `"index":1`, `leaf.index is not below`},
		{`"index":0`, `"index":0.0`, `leaf.index is not an integer`},
		{`"index":0`, `"index":0,"note":"x"`, `leaf."note" is not a member`},
	} {
		_, err := DecodeRequest([]byte(bodyOf(runText, edit(t, leafText, c.old, c.new), "")))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %.60s: %v; want %s", c.old, c.new, err, c.want)
		}
	}
}

func TestDecodeRequestNamesTheMemberOfTheBody(t *testing.T) {
	good := bodyOf(runText, leafText, "")
	for _, c := range []struct{ old, new, want string }{
		{good, ``, `body is not JSON`},
		{good, `null`, `body is null`},
		{good, `"x"`, `body is not an object`},
		{good, strings.Repeat(`[`, 100_000), `body is not an object`},
		{good, good + `{}`, `body is not JSON`},
		{good, good[:len(good)/2], `is not JSON`},
		{`"v":1,`, ``, `v is missing`},
		{`"v":1,`, `"v":null,`, `v is null`},
		{`"v":1,`, `"v":"1",`, `v is not an integer`},
		{`"v":1,`, `"v":1,"v":1,`, `"v" is repeated`},
		{`"v":1,`, `"v":1,"V":1,`, `"V" is not a member here`},
		{`"v":1,`, `"v":1,"\u001b[2J` + strings.Repeat("x", 100) + `":1,`, `"\x1b[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not a member here`},
		{`"signature":""`, `"signature":"not base64"`, `signature is not standard base64`},
		{`"signature":"",`, ``, `signature is missing`},
		{`"path":[]`, `"path":null`, `path is null`},
		{`"path":[]`, `"path":[null]`, `path[0] is null`},
		{`"path":[]`, `"path":["AB=="]`, `path[0] is not standard base64`},
		{`"path":[]`, `"path":["AAAA"]`, `path has a hash of 3 bytes`},
		{`"path":[]`, `"path":[[[[[[["AAAA"]]]]]]]`, `path[0] is not a base64 string`},
		{`"path":[]`, `"path":["` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"]`, `path does not lead`},
		{`,"path":[]`, ``, `path is missing in a run`},
		{`"path":[]`, `"path":[],"secret":""`, `secret is empty`},
		{`"path":[]`, `"path":[],"secret":"{}"`, `secret is not bound`},
	} {
		_, err := DecodeRequest([]byte(edit(t, good, c.old, c.new)))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s → %.60s: %v; want %s", c.old, c.new, err, c.want)
		}
	}
}

func TestDecodeRequestOfEachType(t *testing.T) {
	head := `{"type":"$TYPE","task":"` + sampleTask + `","issued_at":1,"not_after":2,"reply_to":"` + sampleReply + `"`
	const tree, of, run = `,"root":"$ROOT","size":1`, `,"of":{"issued_at":1,"not_after":2}`, `,"run":{"command":"a","timeout_ms":1,"max_output":0}`
	const discover = `{"v":1,"statement":"$TEXT","signature":""$MORE}`
	for _, c := range []struct{ typ, members, want string }{
		{"run", tree + run, ""},
		{"check", tree + run, ""},
		{"rights", tree, ""},
		{"rights", tree + run, "statement.run does not belong into a rights"},
		{"rights", tree + of, "statement.of does not belong into a rights"},
		{"rights", "", "statement.root is missing in a rights"},
		{"cancel", tree + of, ""},
		{"status", tree + of, ""},
		{"cancel", tree, "statement.of is missing in a cancel"},
		{"cancel", tree + run, "statement.run does not belong into a cancel"},
		{"status", tree + of + run, "statement.run does not belong into a status"},
		{"status", of, "statement.root is missing in a status"},
		{"status", tree + `,"of":{"issued_at":3,"not_after":2}`, "statement.of.not_after precedes"},
		{"discover", "", "leaf does not belong into a discover"},
		{"discover", tree, "statement.root does not belong into a discover"},
		{"discover", of, "statement.of does not belong into a discover"},
	} {
		text := strings.Replace(head, "$TYPE", c.typ, 1) + c.members + `}`
		_, err := DecodeRequest([]byte(bodyOf(text, leafText, "")))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %s", text, err, c.want)
		}
	}
	text := strings.ReplaceAll(strings.Replace(head, "$TYPE", "discover", 1)+`}`, `"`, `\"`)
	for more, want := range map[string]string{``: "", `,"path":[]`: "path does not belong", `,"leaf":"{}"`: "leaf does not belong"} {
		_, err := DecodeRequest([]byte(strings.NewReplacer("$TEXT", text, "$MORE", more).Replace(discover)))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("discover with %q: %v", more, err)
		}
	}
}

func TestDecodeRequestVersionAndType(t *testing.T) {
	good := bodyOf(runText, leafText, "")
	for _, body := range []string{
		edit(t, good, `"v":1`, `"v":2`),
		edit(t, good, `"v":1`, `"v":0`),
		`{"v":2,"something":{"entirely":["new"]}}`,
	} {
		if _, err := DecodeRequest([]byte(body)); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, text := range []string{
		edit(t, runText, `"type":"run"`, `"type":"reboot"`),
		edit(t, runText, `"type":"run"`, `"type":"Run"`),
		edit(t, runText, `"type":"run"`, `"type":""`),
		`{"type":"copy","file":"x"}`,
	} {
		if _, err := DecodeRequest([]byte(bodyOf(text, leafText, ""))); !errors.Is(err, ErrType) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDecodeRequestRefusesSecrets(t *testing.T) {
	withHash := func(secret string) string {
		sum := sha256.Sum256([]byte(secret))
		statement := edit(t, runText, `"max_output"`, `"secret_hash":"`+base64.StdEncoding.EncodeToString(sum[:])+`","max_output"`)
		quoted, _ := jsontext.AppendQuote(nil, secret)
		return bodyOf(statement, leafText, `,"secret":`+string(quoted))
	}
	const salt = `"salt":"AAAAAAAAAAAAAAAAAAAAAA=="`
	if _, err := DecodeRequest([]byte(withHash(`{` + salt + `}`))); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]string{
		`{}`:                           `secret.salt is missing`,
		`[]`:                           `secret is not an object`,
		`{"salt":"AAAA"}`:              `secret.salt has 3 bytes`,
		`{` + salt + `,"env":null}`:    `secret.env is null`,
		`{` + salt + `,"env":["x"]}`:   `secret.env[0] is not NAME=value`,
		`{` + salt + `,"stdin":""}`:    `secret.stdin is empty`,
		`{` + salt + `,"x":"hunter2"}`: `secret."x" is not a member here`,
	} {
		if _, err := DecodeRequest([]byte(withHash(secret))); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

// unboundedText is a run that has no timeout and ends its background processes.
var unboundedText = strings.Replace(runText, `"timeout_ms":60000,"max_output":1048576`, `"timeout_ms":0,"max_output":0,"kill_leftovers":true`, 1)

func TestRunWithoutTimeout(t *testing.T) {
	r, err := DecodeRequest([]byte(bodyOf(unboundedText, leafText, "")))
	if err != nil {
		t.Fatal(err)
	}
	if run := r.Statement.Run; run.Timeout() != 0 || !run.KillLeftovers {
		t.Errorf("got %+v", run)
	}
	st := sampleStatement(TypeRun)
	st.Run.TimeoutMS = -1
	if _, err := NewBatch(st, sampleLeaves(1), nil); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "timeout_ms is out of range: 0 to") {
		t.Errorf("a negative timeout: %v", err)
	}
}

func TestInvalidUTF8IsRefused(t *testing.T) {
	body := strings.Replace(bodyOf(runText, leafText, ""), "uname", "un\xffame", 1)
	if _, err := DecodeRequest([]byte(body)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "statement is not JSON") {
		t.Error(err)
	}
	for _, spoil := range []func(*Run){
		func(r *Run) { r.Command = "\xff" },
		func(r *Run) { r.Command, r.Argv = "", []string{"a", "\xff"} },
		func(r *Run) { r.Cwd = "\xff" },
		func(r *Run) { r.Env = []string{"A=\xff"} },
	} {
		st := sampleStatement(TypeRun)
		spoil(st.Run)
		if _, err := NewBatch(st, sampleLeaves(1), nil); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "is not UTF-8") {
			t.Errorf("%+v: %v", st.Run, err)
		}
	}
}

// Every proper prefix of a body is refused, and nothing panics.
func TestDecodeRequestTruncated(t *testing.T) {
	body := sampleBatch(t, sampleStatement(TypeRun), 3).Body(1)
	for n := range body {
		if _, err := DecodeRequest(body[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestCommandsPassUnchanged(t *testing.T) {
	for _, command := range []string{
		`echo 你好，世界`, `dir C:\Users`, `echo "a" 'b' <&>` + "\n\t\x1b[31m\u2028\u202e", "🐇", "\x7f\u0085",
	} {
		st := sampleStatement(TypeRun)
		st.Run.Command = command
		r, err := DecodeRequest(sampleBatch(t, st, 2).Body(1))
		if err != nil {
			t.Errorf("%q: %v", command, err)
		} else if r.Statement.Run.Command != command {
			t.Errorf("%q became %q", command, r.Statement.Run.Command)
		}
	}
}

// Another client's JSON may have blanks, escapes and another order of members.
func TestDecodeRequestAcceptsOtherJSONForms(t *testing.T) {
	leaf := `{ "index" : 0, "\u0068ost":"web01", "job":"0b1c2d3e-4f50-4a6b-8c7d-000000000000" }`
	hash := merkle.HashLeaf([]byte(leaf))
	root, _ := json.Marshal(hash[:])
	text := strings.Replace(runText, `"$ROOT"`, strings.ReplaceAll(string(root), "/", `\/`), 1)
	r, err := DecodeRequest([]byte(bodyOf(text+"\n", leaf, " ")))
	if err != nil || r.Leaf.Host != "web01" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestNothingNestsDeeperThanMaxDepth(t *testing.T) {
	deepest := max(requestSchema.Depth(), statementSchema.Depth(), leafSchema.Depth(), secretSchema.Depth())
	for _, r := range replyTypes {
		deepest = max(deepest, r.schema.Depth())
	}
	if deepest != MaxDepth {
		t.Errorf("%d, MaxDepth is %d", deepest, MaxDepth)
	}
}
