package hostname

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/internal/hint"
)

func TestHostNamesHaveOneForm(t *testing.T) {
	long := strings.Repeat("a", MaxLength)
	for in, want := range map[string]string{
		"web01": "web01", "WEB01.Example.org": "web01.example.org", "a_b-c": "a_b-c", long: long, "web:1": "web:1", "1.2.3": "1.2.3",
		"web09.example.com.": "web09.example.com", " web01\t": "web01", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"10.0.0.7": "10.0.0.7", "10.0.0.7.": "10.0.0.7", "0.0.0.0": "0.0.0.0", "10.0.0.7a": "10.0.0.7a",
		"2001:0DB8:0:0::10": "2001:db8::10", "2001:db8::10": "2001:db8::10", "[2001:db8::10]": "2001:db8::10",
		"FE80::1": "fe80::1", "::1": "::1", "0:0:0:0:0:0:0:0": "::", "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
		"::ffff:10.0.0.1": "10.0.0.1", "::FFFF:a00:1": "10.0.0.1", "::10.0.0.1": "::a00:1",
		"00:1A:2B:3C:4D:5E": "00:1a:2b:3c:4d:5e",
	} {
		got, err := Normalize(in)
		if got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
		if IsNormal(in) != (in == want) || !IsNormal(want) {
			t.Errorf("%q: in its normal form: %v", in, IsNormal(in))
		}
	}
}

func TestBadHostNamesAreRefusedWithHint(t *testing.T) {
	long := strings.Repeat("a", MaxLength)
	for in, want := range map[string]string{
		"": "empty", " ": "empty", ".": "empty label", "web01..": "empty label", long + "a": "201 characters",
		"a b": `' '`, "web[1": `'['`, "[web01]": `'['`, "a/b": `'/'`, "a\x00": `'\x00'`, "a\xff": `'�'`, "a*": `'*'`, "#": `'#'`,
		"主机": "hint: write an internationalized name in its ASCII form", "\u212a9s": "'\u212a'",
		"ｗｅｂ０１": `write 'w'`, "web01。example": "hint: write an ASCII dot",
		"fe80::1%eth0": "hint: leave the zone out", "[fe80::1%eth0]": "hint: leave the zone out", "fe80::1%": "zone",
		"010.1.1.1": "without leading zeros", "10.0.0.256": "not a valid IPv4 address", "10.0..1": "not a valid IPv4 address",
		"2001:db8:::1": "not a valid IPv6 address", "web::1": "not a valid IPv6 address", "::ffff:010.1.1.1": "not a valid IPv6 address",
	} {
		got, err := Normalize(in)
		if err == nil || !strings.Contains(hint.Text(err), want) {
			t.Errorf("%q: %q, %v; want an error with %s", in, got, err, want)
		}
		var e *Error
		if !errors.As(err, &e) || IsNormal(in) {
			t.Errorf("%q: %T, in its normal form: %v", in, err, IsNormal(in))
		}
	}
}

func checkNormalForm(t interface{ Fatalf(string, ...any) }, text string) {
	name, err := Normalize(text)
	if IsNormal(text) != (err == nil && name == text) {
		t.Fatalf("%q: IsNormal %v, Normalize %q, %v", text, IsNormal(text), name, err)
	}
	if err != nil {
		return
	}
	if again, err := Normalize(name); again != name || err != nil || !IsNormal(name) {
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

func FuzzNormalize(f *testing.F) {
	for _, name := range []string{"web01", "2001:0DB8::10", "[::1]", "10.0.0.1.", "::ffff:10.0.0.1", "fe80::1%eth0", "ｗ", " a.. "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) { checkNormalForm(t, text) })
}
