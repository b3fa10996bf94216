package wire

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/internal/hint"
)

func TestHostNamesHaveOneForm(t *testing.T) {
	long := strings.Repeat("a", MaxHostName)
	for in, want := range map[string]string{
		"web01": "web01", "WEB01.Example.org": "web01.example.org", "a_b-c": "a_b-c", long: long, "web:1": "web:1", "1.2.3": "1.2.3",
		"web09.example.com.": "web09.example.com", " web01\t": "web01", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"10.0.0.7": "10.0.0.7", "10.0.0.7.": "10.0.0.7", "0.0.0.0": "0.0.0.0", "10.0.0.7a": "10.0.0.7a",
		"2001:0DB8:0:0::10": "2001:db8::10", "2001:db8::10": "2001:db8::10", "[2001:db8::10]": "2001:db8::10",
		"FE80::1": "fe80::1", "::1": "::1", "0:0:0:0:0:0:0:0": "::", "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
		"::ffff:10.0.0.1": "10.0.0.1", "::FFFF:a00:1": "10.0.0.1", "::10.0.0.1": "::a00:1",
		"00:1A:2B:3C:4D:5E": "00:1a:2b:3c:4d:5e",
	} {
		got, err := CheckHostName(in)
		if got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
		if isHostName(in) != (in == want) || !isHostName(want) {
			t.Errorf("%q: in its normal form: %v", in, isHostName(in))
		}
	}
}

func TestBadHostNamesAreRefusedWithHint(t *testing.T) {
	long := strings.Repeat("a", MaxHostName)
	for in, want := range map[string]string{
		"": "empty", " ": "empty", ".": "empty label", "web01..": "empty label", long + "a": "201 characters",
		"a b": `' '`, "web[1": `'['`, "[web01]": `'['`, "a/b": `'/'`, "a\x00": `'\x00'`, "a\xff": `'�'`, "a*": `'*'`, "#": `'#'`,
		"主机": "hint: write an internationalized name in its ASCII form", "\u212a9s": "'\u212a'",
		"ｗｅｂ０１": `write 'w'`, "web01。example": "hint: write an ASCII dot",
		"fe80::1%eth0": "hint: leave the zone out", "[fe80::1%eth0]": "hint: leave the zone out", "fe80::1%": "zone",
		"010.1.1.1": "without leading zeros", "10.0.0.256": "not a valid IPv4 address", "10.0..1": "not a valid IPv4 address",
		"2001:db8:::1": "not a valid IPv6 address", "web::1": "not a valid IPv6 address", "::ffff:010.1.1.1": "not a valid IPv6 address",
	} {
		got, err := CheckHostName(in)
		if err == nil || !strings.Contains(hint.Text(err), want) {
			t.Errorf("%q: %q, %v; want an error with %s", in, got, err, want)
		}
		var e *HostNameError
		if !errors.As(err, &e) || isHostName(in) {
			t.Errorf("%q: %T, in its normal form: %v", in, err, isHostName(in))
		}
	}
}

func checkNormalForm(t interface{ Fatalf(string, ...any) }, text string) {
	name, err := CheckHostName(text)
	if isHostName(text) != (err == nil && name == text) {
		t.Fatalf("%q: isHostName %v, CheckHostName %q, %v", text, isHostName(text), name, err)
	}
	if err != nil {
		return
	}
	if again, err := CheckHostName(name); again != name || err != nil || !isHostName(name) {
		t.Fatalf("%q became %q, and that %q, %v", text, name, again, err)
	}
}

func TestNormalFormIsStable(t *testing.T) {
	name := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ ]?\[?([0-9a-fA-F]{0,4}:){1,7}[0-9a-fA-F]{0,4}\]?\.?`),
		rapid.StringMatching(`(::ffff:)?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.?`),
		rapid.StringMatching(`[A-Za-z0-9._:-]{1,20}`),
	)
	rapid.Check(t, func(t *rapid.T) { checkNormalForm(t, name.Draw(t, "name")) })
}

func FuzzCheckHostName(f *testing.F) {
	for _, name := range []string{"web01", "2001:0DB8::10", "[::1]", "10.0.0.1.", "::ffff:10.0.0.1", "fe80::1%eth0", "ｗ", " a.. "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) { checkNormalForm(t, text) })
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
		got, err := CheckHostName(words[0])
		if err != nil {
			got = "error"
		}
		if len(words) != 2 || got != words[1] {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
}
