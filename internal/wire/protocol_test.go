package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"warren/internal/hostname"
	"warren/internal/wire/merkle"
	"warren/internal/wire/strict"
)

// What docs/protocol.md claims in bytes and numbers must be what the code does.

func protocolPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

var exampleBlock = regexp.MustCompile("(?s)<!-- example: ([a-z ]+) -->\n```[a-z]*\n(.*?)```\n")

const (
	docTask  = "5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71"
	docIssue = 1767225600000
)

func docBatch(t *testing.T) *Batch {
	t.Helper()
	b, err := NewBatch(Statement{
		Type: TypeRun, Task: docTask, IssuedAt: docIssue, NotAfter: docIssue + 60_000, ReplyTo: sampleReply,
		Run: &Run{Command: `df -h "$HOME"`, TimeoutMS: 60_000, Env: []string{"LC_ALL=C"}, MaxOutput: 1 << 20},
	}, []Leaf{
		{Job: "a1c4e7d2-58b3-4f06-9e1a-7c3d5b8f2e01", Host: "web01", Index: 0},
		{Job: "f2a0c9b4-6d1e-4f83-8b57-92e4d6a1c302", Host: "web02", Index: 1},
		{Job: "3d9b6f18-e24c-4a75-b0c8-15f7a9e3d603", Host: "192.168.0.23", Index: 2},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// docExample computes each block of the page's example.
func docExample(t *testing.T) map[string]string {
	t.Helper()
	b := docBatch(t)
	statement, _ := b.Statement()
	lines := make(map[string][]string)
	for i, l := range b.leaves {
		text := appendLeaf(nil, l, `"`)
		digest := b.Digest(i)
		lines["leaves"] = append(lines["leaves"], string(text))
		lines["leaf hashes"] = append(lines["leaf hashes"], fmt.Sprintf("%x", merkle.HashLeaf(text)))
		lines["bodies"] = append(lines["bodies"], string(b.Body(i)))
		lines["digests"] = append(lines["digests"], hex.EncodeToString(digest[:]))
	}
	lines["statement"] = []string{statement}
	lines["root"] = []string{
		"root                  " + hex.EncodeToString(b.tree.Root()),
		"node above 0 and 1    " + hex.EncodeToString(b.tree.Path(2)[0]),
	}
	zero := 0
	_, ended, err := EncodeReply(&Ended{
		Job: b.leaves[1].Job, Agent: "web02", Outcome: Exited, ExitCode: &zero,
		AcceptedAt: docIssue + 12, StartedAt: docIssue + 12, EndedAt: docIssue + 17,
		Stdout: &Stream{Size: 11, Data: []byte("Filesystem\n")}, Stderr: &Stream{},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines["ended"] = []string{string(ended)}
	example := make(map[string]string)
	for name, l := range lines {
		example[name] = strings.Join(l, "\n") + "\n"
	}
	return example
}

func TestProtocolPageExample(t *testing.T) {
	got := make(map[string]string)
	for _, m := range exampleBlock.FindAllStringSubmatch(protocolPage(t), -1) {
		got[m[1]] = m[2]
	}
	want := docExample(t)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("docs/protocol.md has another example of %q; want\n%s", name, want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("docs/protocol.md has %d examples, want %d", len(got), len(want))
	}
}

// A reader who has nothing but the page's bytes gets the page's meaning.
func TestProtocolPageExampleDecodes(t *testing.T) {
	got := make(map[string][]string)
	for _, m := range exampleBlock.FindAllStringSubmatch(protocolPage(t), -1) {
		got[m[1]] = strings.Split(strings.TrimSuffix(m[2], "\n"), "\n")
	}
	for i, body := range got["bodies"] {
		r, err := DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(body))
		if r.StatementText != got["statement"][0] || r.Leaf.Index != i || hex.EncodeToString(sum[:]) != got["digests"][i] {
			t.Errorf("body %d: %+v", i, r)
		}
	}
	v, err := DecodeReply(TypeEnded, []byte(got["ended"][0]), nil, "f2a0c9b4-6d1e-4f83-8b57-92e4d6a1c302")
	if err != nil || *v.(*Ended).ExitCode != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

// verifyAsDocumented is the page's way to verify a path, written from the page.
func verifyAsDocumented(leaf []byte, i, n int, path [][]byte, root string) bool {
	node := func(left, right []byte) []byte {
		sum := sha256.Sum256(append(append([]byte{1}, left...), right...))
		return sum[:]
	}
	sum := sha256.Sum256(append([]byte{0}, leaf...))
	h := sum[:]
	for ; n > 1; i, n = i/2, (n+1)/2 {
		if i%2 == 0 && i+1 >= n {
			continue
		}
		if len(path) == 0 {
			return false
		}
		if i%2 == 1 {
			h = node(path[0], h)
		} else {
			h = node(h, path[0])
		}
		path = path[1:]
	}
	return len(path) == 0 && string(h) == root
}

func TestProtocolPageVerification(t *testing.T) {
	for n := 1; n <= 130; n++ {
		texts, _, tr := testTree(n)
		for i := range n {
			if !verifyAsDocumented([]byte(texts[i]), i, n, tr.Path(i), string(tr.Root())) {
				t.Fatalf("n=%d i=%d", n, i)
			}
		}
	}
}

func TestProtocolPageLimits(t *testing.T) {
	page := protocolPage(t)
	for _, l := range []struct {
		what  string
		limit any
	}{
		{"request body", MaxRequest},
		{"reply body, but for `output`", MaxReply},
		{"body of an `output`", MaxChunk},
		{"body of a `hello`", MaxHello},
		{"`data` of both streams of an `ended` together, before base64", MaxInline},
		{"nesting of a body, statement, leaf or secret", MaxDepth},
		{"leaves of a statement", MaxLeaves},
		{"hashes of a path", MaxPath},
		{"`signature`", MaxSignature},
		{"host name", hostname.MaxLength},
		{"`command`, each `argv`, each `env` entry", MaxArg},
		{"number of `argv`", MaxArgs},
		{"number of `argv` of a `checked`", MaxCheckedArgs},
		{"number of `env` entries, those of a secret included", MaxEnv},
		{"`shell`, `cwd`, `binary`, `path` of a refused file", MaxFileName},
		{"`user`", MaxUser},
		{"number of `commands`, of `env`, of `cwds`, of `push`, of `collect` and of `run_as` of a `granted`", MaxGrants},
		{"each string of these lists", MaxGrant},
		{"`timeout_ms`", MaxTimeout.Milliseconds()},
		{"`max_output`", MaxMaxOutput},
		{"`max_output` of a `collect`", MaxArchive},
		{"`salt`", fmt.Sprintf("%d to %d", MinSalt, MaxSalt)},
		{"`manifest_size`", MaxManifest},
		{"`owner`", MaxOwner},
		{"any time", int64(MaxTime)},
		{"`size` and `dropped` of an output, `memory`", int64(MaxSize)},
		{"`offset`", int64(MaxSize - MaxChunk)},
		{"content in a `chunk`", MaxFileChunk},
		{"`exit_code`", fmt.Sprintf("%d to %d", int64(MinExitCode), int64(MaxExitCode))},
		{"`signal`", MaxSignal},
		{"`reason`, `rule`", MaxReason},
		{"number of `names`", MaxNames},
		{"each string of `facts`, label names and values included", MaxFact},
		{"number of `labels`", MaxLabels},
		{"number of `addresses`", MaxAddresses},
		{"`running`, `queued`, `workers`, `cpus`, `code_page`, `killed`, `left`", MaxCount},
	} {
		row := fmt.Sprintf("| %s | %v |\n", l.what, l.limit)
		if !strings.Contains(page, row) {
			t.Errorf("docs/protocol.md lacks %s", strings.TrimSpace(row))
		}
	}
}

// Every member, type, outcome and state is on the page, in backquotes.
func TestProtocolPageNamesEverything(t *testing.T) {
	page := protocolPage(t)
	var words []string
	for _, s := range append([]*strict.Schema{requestSchema, statementSchema, leafSchema, secretSchema}, schemasOfReplies()...) {
		words = append(words, s.Names()...)
	}
	for _, o := range append(AgentOutcomes, Unreachable, Lost) {
		words = append(words, string(o))
	}
	words = append(words, GrantValid, GrantExpired, GrantRevoked, StateAccepted, StateRunning, StateUnknown, StateForgotten,
		TypeRun, TypeCheck, TypeRights, TypeCancel, TypeStatus, TypeDiscover, TypeProbe, TypeChunk, TypeOutput,
		ExchangeReplies, ExchangeDiscover, ExchangeHosts, HostQueue("<name>"), InboxQueue("<id>"),
		LaterKey("<name>"), InboxKey("<id>"), HostQueue("<name>")+"~<n>", prefixReply+"<user>.<random>",
		HeaderStream, HeaderOffset, HeaderAttempt, HeaderHave, ContentJSON, ContentBytes, AppID)
	for typ := range replyTypes {
		words = append(words, typ)
	}
	for _, w := range words {
		if !strings.Contains(page, "`"+w+"`") && !strings.Contains(page, `"`+w+`":`) {
			t.Errorf("docs/protocol.md does not mention `%s`", w)
		}
	}
}

func schemasOfReplies() (schemas []*strict.Schema) {
	for _, s := range replyTypes {
		schemas = append(schemas, s.schema)
	}
	return schemas
}

// The page says that V is 1 in every reply: all types have it.
func TestEveryReplyHasAVersion(t *testing.T) {
	for _, v := range sampleReplies() {
		if f := reflect.ValueOf(v).Elem().FieldByName("V"); f.Int() != Version {
			t.Errorf("%T", v)
		}
	}
}
