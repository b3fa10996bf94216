package wire

import (
	"errors"
	"strings"
	"testing"

	"warren/internal/hostname"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestQueueNames(t *testing.T) {
	if got := HostQueue("web01"); got != "warren.host.web01" {
		t.Error(got)
	}
	if got := InboxQueue("web01"); got != "warren.inbox.web01" {
		t.Error(got)
	}
	for _, c := range []struct{ user, random, want string }{
		{"alice", "0123-abC", "warren.reply.alice.0123-abC"},
		{"john.doe", "1", "warren.reply.john_2edoe.1"},
		{"john_doe", "1", "warren.reply.john_5fdoe.1"},
		{`CORP\Zoë`, "1", "warren.reply.CORP_5cZo_c3_ab.1"},
		{"", "", "warren.reply._._"},
		{strings.Repeat("x", 64), "1", "warren.reply." + strings.Repeat("x", 64) + ".1"},
		{strings.Repeat("x", 65), "1", "warren.reply._h9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7.1"},
	} {
		if got := ReplyQueue(c.user, c.random); got != c.want || !isReplyQueue(got) {
			t.Errorf("%q %q: %q", c.user, c.random, got)
		}
	}
	for _, bad := range []string{
		"", "warren.reply.", "warren.reply.a", "warren.reply.a.", "warren.reply..b", "warren.reply.a.b.c",
		"warren.host.web01", "xwarren.reply.a.b", "warren.reply.a.b*", "warren.reply." + strings.Repeat("x", 65) + ".1",
	} {
		if isReplyQueue(bad) {
			t.Errorf("%q passes", bad)
		}
	}
}

// No two users share a prefix, and none has what another's begins with.
func TestReplyPrefixesDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a_.5-]{0,70}`))
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		if a != b && strings.HasPrefix(ReplyPrefix(a), ReplyPrefix(b)) {
			t.Fatalf("%q has %q, %q has %q", a, ReplyPrefix(a), b, ReplyPrefix(b))
		}
	})
}

func TestOnlyLowerCaseUUIDv4IsAccepted(t *testing.T) {
	for range 1000 {
		if id := uuid.NewString(); !isUUID(id) {
			t.Fatal(id)
		}
	}
	for _, bad := range []string{
		"", strings.ToUpper(sampleTask), sampleTask[:35], sampleTask + "0", "{" + sampleTask + "}",
		strings.ReplaceAll(sampleTask, "-", ""), "7d4a6c1e-2f35-1b8a-9c0d-1e2f3a4b5c6d",
		"7d4a6c1e-2f35-4b8a-cc0d-1e2f3a4b5c6d", "7d4a6c1e02f35-4b8a-9c0d-1e2f3a4b5c6d", "7d4a6c1e-2f35-4b8a-9c0d-1e2f3a4b5c6g",
	} {
		if isUUID(bad) {
			t.Errorf("%q passes", bad)
		}
	}
}

// Whoever signs a request decides which bytes name its host; an agent that took
// another spelling would answer to names that it does not have.
func TestLeafWithOtherSpellingIsMalformed(t *testing.T) {
	for _, host := range []string{"WEB01", "web01.", "2001:0db8::10", "::ffff:10.0.0.1", "010.1.1.1", "[::1]"} {
		leaves := sampleLeaves(1)
		b, err := NewBatch(sampleStatement(TypeRun), leaves, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(b.Body(0)), leaves[0].Host, host, 1)
		if _, err := DecodeRequest([]byte(text)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "leaf.host is not a host name in its normal form") {
			t.Errorf("%s: %v", host, err)
		}
		leaves[0].Host = host
		if _, err := NewBatch(sampleStatement(TypeRun), leaves, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("a batch for %s: %v", host, err)
		}
		if _, _, err := EncodeReply(&Accepted{V: 1, Job: sampleJob(0), Agent: host, At: 1}); !errors.Is(err, ErrMalformed) {
			t.Errorf("a reply of %s: %v", host, err)
		}
	}
}

func TestProtocolPageHasTheNormalForms(t *testing.T) {
	_, block, found := strings.Cut(protocolPage(t), "<!-- names -->\n```text\n")
	block, _, _ = strings.Cut(block, "```")
	if !found {
		t.Fatal("the page has no table of names")
	}
	for line := range strings.Lines(block) {
		words := strings.Fields(line)
		got, err := hostname.Normalize(words[0])
		if err != nil {
			got = "error"
		}
		if len(words) != 2 || got != words[1] {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
}
