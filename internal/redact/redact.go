// Package redact removes passwords from settings, errors and logs before they are
// shown. Users often write invalid URLs, and a password may contain any character. So
// the package shows only text that is certainly not part of a password.
package redact

import (
	"os"
	"regexp"
	"strconv"
	"strings"
)

// hidden replaces secret text.
const hidden = "xxxxx"

var (
	// user matches a user name that neither precedes nor encodes a password.
	user = regexp.MustCompile(`^[\pL\pN._+-]*$`)

	// scheme matches the beginning of a URL.
	scheme = regexp.MustCompile(`^\s*[A-Za-z][A-Za-z0-9+.-]*://`)

	// brokerScheme matches the scheme of a broker URL, also with missing slashes.
	brokerScheme = regexp.MustCompile(`(?i)amqps?:/*`)

	// port matches the text between a host's colon and the path.
	port = regexp.MustCompile(`^[0-9]*$`)

	// parameter matches URL parameters that may hold a secret. Warren's URLs have none,
	// but users try them.
	parameter = regexp.MustCompile(`(?i)([?&;](?:pass|pw|secret|token)[a-z_]*=)[^&]*`)

	// brokerLogin matches a broker URL, also a malformed one, up to the last character
	// that may be part of its password.
	brokerLogin = regexp.MustCompile(`(?i)amqps?:\S*@`)

	// drive matches the beginning of a Windows path.
	drive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
)

// Value returns the value of a setting without its possible password. It hides all
// text before the last @ except a plain user name, and also the text in the place of a
// port if it is not a number.
func Value(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return authority(hideParameters(text))
	}
	head, tail := text[:at], hidePort(hideParameters(text[at+1:]))
	if isPath(head) {
		return head + "@" + tail
	}
	if parameter.MatchString(head) { // the @ may be part of the parameter's value
		_, rest, more := strings.Cut(tail, "&")
		if tail = hidden; more {
			tail += "&" + rest
		}
	}
	shown := scheme.FindString(head)
	name, _, divided := strings.Cut(head[len(shown):], ":")
	switch {
	case !user.MatchString(name), name == "" && !divided && shown == "" && head != "":
		return shown + hidden + "@" + tail
	case divided:
		return shown + name + ":" + hidden + "@" + tail
	}
	return shown + name + "@" + tail
}

func hideParameters(text string) string { return parameter.ReplaceAllString(text, "${1}"+hidden) }

// isPath reports whether text begins an absolute file path, which may contain an @,
// and has no place for a user and a password.
func isPath(text string) bool {
	text = drive.ReplaceAllString(text, "/")
	return strings.HasPrefix(text, "/") && !strings.ContainsAny(text, ":%@")
}

// authority is Value for a text without @. It also hides a password if the user
// omitted the host and the @.
func authority(text string) string {
	end := len(scheme.FindString(text))
	if at := brokerScheme.FindAllStringIndex(text, -1); at != nil { // in a path, the scheme is in the middle
		end = at[len(at)-1][1]
	}
	if end == 0 {
		return text
	}
	return text[:end] + hidePort(text[end:])
}

// hidePort hides the text after a host's colon if it is not a port.
func hidePort(text string) string {
	end := len(text)
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		end = i
	}
	host := text[:end]
	from := 0
	if strings.HasPrefix(host, "[") { // an IPv6 address
		from = strings.IndexByte(host, ']') + 1
	}
	colon := strings.IndexByte(host[from:], ':')
	if colon < 0 || port.MatchString(host[from+colon+1:]) {
		return text
	}
	return host[:from+colon+1] + hidden + text[end:]
}

// User returns a user name, unless it may contain a password.
func User(name string) string {
	if user.MatchString(name) {
		return name
	}
	return hidden
}

// List joins the elements of a list. A comma in a URL, for example in its password,
// splits it into several elements: an element that does not begin with a broker scheme
// is joined to the previous one.
func List(elements []string) string {
	var whole []string
	for _, e := range elements {
		if last := len(whole) - 1; last >= 0 && !beginsBroker.MatchString(e) {
			whole[last] += "," + e
			continue
		}
		whole = append(whole, e)
	}
	for i := range whole {
		whole[i] = Value(whole[i])
	}
	return strings.Join(whole, ",")
}

var beginsBroker = regexp.MustCompile(`(?i)^\s*amqps?://`)

// Text returns an error or another sentence without the passwords of broker URLs.
func Text(text string) string {
	return brokerLogin.ReplaceAllStringFunc(text, func(url string) string {
		return strings.TrimSuffix(Value(url+"host"), "host")
	})
}

// In returns a text without the passwords of the values that it may quote.
func In(text string, values ...string) string {
	for _, v := range values {
		shown := Value(v)
		if shown == v {
			continue
		}
		quoted := strconv.Quote(v)
		text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], shown)
		text = strings.ReplaceAll(text, v, shown)
	}
	return text
}

// Message returns the output of a program without the passwords of its arguments, its
// environment and broker URLs.
func Message(text string, args []string) string {
	var values []string
	for _, arg := range args {
		_, value, _ := strings.Cut(arg, "=")
		values = append(values, arg, value)
	}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "WARREN") {
			values = append(values, value)
		}
	}
	return Text(In(text, values...))
}
