// Package hostname gives the names of hosts their normal form, in which they are compared,
// stored and sent.
package hostname

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// MaxLength is the largest number of bytes of a host name.
const MaxLength = 200

// An Error says why a text is not a host name.
type Error struct {
	Problem string
	Hint    string // what to write instead; may be empty
}

func (e *Error) Error() string { return e.Problem }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Normalize returns the normal form of a host name, in which names are
// compared, stored and sent. Both ends call it for each name that a person
// writes. The error is an *Error.
//
// The normal form has lower-case letters and neither blanks around it nor a dot
// at its end. An IPv6 address has the form of RFC 5952 and no brackets; an
// IPv4-mapped one is the IPv4 address. The normal form of a normal form is itself.
func Normalize(name string) (string, error) {
	name = strings.TrimSpace(name)
	if inner, ok := unbracketed(name); ok {
		name = inner
	}
	switch {
	case name == "":
		return "", &Error{Problem: "a host name may not be empty"}
	case len(name) > MaxLength:
		return "", &Error{Problem: fmt.Sprintf("host name %q… has %d characters, the limit is %d", strings.ToValidUTF8(name[:40], ""), len(name), MaxLength)}
	}
	lower, err := toLower(name)
	if err != nil {
		return "", err
	}
	lower = strings.TrimSuffix(lower, ".") // of a fully qualified DNS name
	switch {
	case lower == "" || lower[len(lower)-1] == '.':
		return "", &Error{Problem: fmt.Sprintf("host name %q ends with an empty label", name), Hint: "one dot at most ends a DNS name"}
	case !resemblesAddress(lower):
		return lower, nil
	}
	return normalAddress(lower)
}

// unbracketed takes an IPv6 address out of the brackets that URLs need.
func unbracketed(name string) (string, bool) {
	inner, opened := strings.CutPrefix(name, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	address, _, _ := strings.Cut(inner, "%")
	a, err := netip.ParseAddr(address)
	return inner, opened && closed && err == nil && a.Is6()
}

// toLower lowers ASCII only: strings.ToLower would turn the Kelvin sign
// into a k. The error names the first character that may not be there.
func toLower(name string) (string, error) {
	lower := []byte(name)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		} else if !isAllowed(c) {
			r, _ := utf8.DecodeRuneInString(name[i:])
			return "", &Error{
				Problem: fmt.Sprintf("host name %q contains %q: letters, digits, '.', '_', ':' and '-' are allowed", name, r),
				Hint:    foreignHint(name, r),
			}
		}
	}
	return string(lower), nil
}

// foreignHint says what to write instead of a character.
func foreignHint(name string, r rune) string {
	address, _, _ := strings.Cut(name, "%")
	switch _, err := netip.ParseAddr(address); {
	case r == '%' && err == nil:
		return "leave the zone out: it has a meaning on one machine only"
	case 0xff01 <= r && r <= 0xff5e: // the full-width forms of ASCII
		return fmt.Sprintf("%q is a full-width character; write %q", r, r-0xff01+'!')
	case r == '。' || r == '｡':
		return "write an ASCII dot"
	case r >= utf8.RuneSelf && r != utf8.RuneError:
		return "write an internationalized name in its ASCII form, which begins with xn--"
	}
	return ""
}

// resemblesAddress reports whether a name in lower case may be an IP address: it
// has a colon, or it is four numbers between dots.
func resemblesAddress(name string) bool {
	dots := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == ':':
			return true
		case c == '.':
			dots++
		case !isDigit(c):
			return strings.IndexByte(name[i:], ':') >= 0
		}
	}
	return dots == 3
}

// normalAddress returns the one form of an address.
func normalAddress(name string) (string, error) {
	a, err := netip.ParseAddr(name)
	switch {
	case err == nil:
		return a.Unmap().String(), nil
	case !strings.Contains(name, ":"):
		return "", &Error{
			Problem: fmt.Sprintf("host name %q is not a valid IPv4 address", name),
			Hint:    "write four numbers from 0 to 255 without leading zeros, which some programs read as octal",
		}
	case strings.Contains(name, "::"):
		return "", &Error{Problem: fmt.Sprintf("host name %q is not a valid IPv6 address", name)}
	}
	return name, nil // such as a hardware address, or one with a port
}

func isAllowed(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '_' || c == ':' || c == '-'
}

// IsNormal reports whether the name is in its normal form. It allocates
// nothing for names that are no addresses.
func IsNormal(name string) bool {
	for i := range len(name) {
		if !isAllowed(name[i]) {
			return false
		}
	}
	switch {
	case name == "" || len(name) > MaxLength || name[len(name)-1] == '.':
		return false
	case !resemblesAddress(name):
		return true
	}
	normal, err := normalAddress(name)
	return err == nil && normal == name
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
