// Package redact takes passwords out of what is shown: settings, errors, logs. What
// people write where a URL belongs is often no URL, and its password may have any
// character. So the package shows what is provably none, and no more. It keeps
// nothing and starts nothing.
package redact

import (
	"os"
	"regexp"
	"strconv"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "xxxxx"

var (
	// user is a name that has neither a password after it nor one encoded in it.
	user = regexp.MustCompile(`^[\pL\pN._+-]*$`)

	// scheme begins a URL.
	scheme = regexp.MustCompile(`^\s*[A-Za-z][A-Za-z0-9+.-]*://`)

	// written is the scheme of a broker's URL, with too few slashes too.
	written = regexp.MustCompile(`(?i)amqps?:/*`)

	// port is what may follow a host, beside a path and parameters.
	port = regexp.MustCompile(`^[0-9]*$`)

	// parameter is where a URL has no password, and some expect it.
	parameter = regexp.MustCompile(`(?i)([?&;](?:pass|pw|secret|token)[a-z_]*=)[^&]*`)

	// broker finds the beginning of a broker's URL, however it is written, and all
	// that may be a part of its password.
	broker = regexp.MustCompile(`(?i)amqps?:\S*@`)

	// drive begins a path of Windows.
	drive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
)

// Value returns the value of a setting without the password that it has, or may
// have. All before the last @ is taken for one, but for a user's name alone, and so
// is what stands where a port should.
func Value(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return authority(hideParameters(text))
	}
	head, tail := text[:at], hidePort(hideParameters(text[at+1:]))
	if isPath(head) {
		return head + "@" + tail
	}
	if parameter.MatchString(head) { // the @ may be its value's
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

// isPath reports whether text begins a file's absolute path, which may have an @, and
// nothing in it can be a user with a password.
func isPath(text string) bool {
	text = drive.ReplaceAllString(text, "/")
	return strings.HasPrefix(text, "/") && !strings.ContainsAny(text, ":%@")
}

// authority is Value for a text without @. In a URL, a user and a password are left
// where host and @ have been forgotten.
func authority(text string) string {
	end := len(scheme.FindString(text))
	if at := written.FindAllStringIndex(text, -1); at != nil { // a path of its own has it in the middle
		end = at[len(at)-1][1]
	}
	if end == 0 {
		return text
	}
	return text[:end] + hidePort(text[end:])
}

// hidePort hides what follows a host's colon and is no port.
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

// User returns the name of a user, unless it may have a password in it.
func User(name string) string {
	if user.MatchString(name) {
		return name
	}
	return hidden
}

// List returns the elements of a list as one text. A comma within a URL, as in its
// password, has divided it: what does not begin a broker's URL is taken for the rest
// of the element before it.
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

// Text returns an error or another sentence without the passwords of brokers' URLs
// in it.
func Text(text string) string {
	return broker.ReplaceAllStringFunc(text, func(url string) string {
		return strings.TrimSuffix(Value(url+"host"), "host")
	})
}

// In returns a text without the passwords of the values that it may repeat, as they
// are or quoted.
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

// Message returns what a program prints without the passwords of its arguments, of its
// environment and of brokers' URLs.
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
