package trust

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"warren/internal/hint"
)

// An option is NAME or NAME="VALUE" in a line.
type option struct {
	name, value string
	hasValue    bool // for NAME="VALUE"
}

// splitOptions splits the options off a line: they are separated by commas and end at
// the first blank outside quotes. Within quotes only \" is special: it is a quote
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
func splitOptions(line string) (options []option, rest string, err error) {
	for rest = line; ; rest = rest[1:] {
		var o option
		if o, rest, err = cutOption(rest); err != nil {
			return nil, "", err
		}
		options = append(options, o)
		if rest == "" || rest[0] != ',' {
			break
		}
	}
	if rest == "" {
		return nil, "", hint.Errorf("a line is OPTIONS KEYTYPE BASE64 COMMENT", "no key follows %q", clip(line, 60))
	}
	if rest[0] != ' ' && rest[0] != '\t' {
		last := options[len(options)-1]
		return nil, "", hint.Errorf(quoteHint(last.value, "separate options with commas, without blanks"),
			"option %s: something follows its closing quote", last.name)
	}
	return options, strings.TrimLeft(rest, " \t"), nil
}

func cutOption(s string) (o option, rest string, err error) {
	end := strings.IndexAny(s, "=, \t\"")
	if end < 0 {
		end = len(s)
	}
	o.name, rest = strings.ToLower(s[:end]), s[end:]
	if o.name == "" {
		return o, "", hint.New("an option has no name",
			"separate options with commas, without blanks")
	}
	if !strings.HasPrefix(rest, "=") {
		return o, rest, nil
	}
	o.hasValue = true
	if !strings.HasPrefix(rest, `="`) {
		return o, "", hint.Errorf(fmt.Sprintf("%s=\"…\"", clip(o.name, 40)),
			"option %s: its value must be in double quotes", clip(o.name, 40))
	}
	var value strings.Builder
	for s = rest[2:]; ; {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return o, "", hint.Errorf(quoteHint(value.String(), ""), "option %s: its closing quote is missing", clip(o.name, 40))
		}
		if i > 0 && s[i-1] == '\\' {
			value.WriteString(s[:i-1])
			value.WriteByte('"')
			s = s[i+1:]
			continue
		}
		value.WriteString(s[:i])
		o.value = value.String()
		return o, s[i+1:], nil
	}
}

// quoteHint explains a quote in a value, which a path with a backslash at its end leads to.
func quoteHint(value, otherwise string) string {
	if strings.Contains(value, `"`) {
		return `\" is a quote within the value: write a directory without a backslash at its end, and the root of a drive as "C:/"`
	}
	return otherwise
}

// setters maps an option to its effect. Only the options in repeatable may repeat.
var (
	setters = map[string]func(*Rule, string) error{
		"permit-command":    (*Rule).addCommand,
		"permit-env":        (*Rule).addEnv,
		"permit-cwd":        (*Rule).addCwd,
		"permit-push":       (*Rule).addPush,
		"permit-collect":    (*Rule).addCollect,
		"run-as":            func(r *Rule, v string) (err error) { r.runAs, err = splitList(v); return err },
		"principals":        func(r *Rule, v string) (err error) { r.principals, err = splitList(v); return err },
		"expiry-time":       (*Rule).setExpiry,
		"permit-shell":      func(r *Rule, _ string) error { r.shell = true; return nil },
		"permit-script":     func(r *Rule, _ string) error { r.script = true; return nil },
		"permit-stdin":      func(r *Rule, _ string) error { r.stdin = true; return nil },
		"any-job":           func(r *Rule, _ string) error { r.anyJob = true; return nil },
		"no-touch-required": func(r *Rule, _ string) error { r.noTouch = true; return nil },
		"verify-required":   func(r *Rule, _ string) error { r.verify = true; return nil },
		"cert-authority":    func(*Rule, string) error { return nil },
	}
	flags      = []string{"permit-shell", "permit-script", "permit-stdin", "any-job", "no-touch-required", "verify-required", "cert-authority"}
	repeatable = []string{"permit-command", "permit-env", "permit-cwd", "permit-push", "permit-collect"}
	confining  = []string{"permit-shell", "permit-script", "permit-stdin", "permit-cwd"} // these need permit-command
)

// setOptions applies a line's options and reports whether the line is of an authority.
func (r *Rule) setOptions(options []option) (authority bool, err error) {
	seen := map[string]bool{}
	for _, o := range options {
		set := setters[o.name]
		flag := slices.Contains(flags, o.name)
		switch {
		case set == nil:
			return false, hint.Errorf(optionHint(o.name), "unknown option %q", clip(o.name, 40))
		case flag && o.hasValue:
			return false, fmt.Errorf("option %s has no value", o.name)
		case !flag && !o.hasValue:
			return false, hint.Errorf(fmt.Sprintf("%s=\"…\"", o.name), "option %s needs a value", o.name)
		case seen[o.name] && !slices.Contains(repeatable, o.name):
			return false, fmt.Errorf("option %s is given twice", o.name)
		}
		seen[o.name] = true
		if err := set(r, o.value); err != nil {
			return false, fmt.Errorf("option %s: %w", o.name, err)
		}
	}
	r.options = canonical(options)
	return seen["cert-authority"], r.checkOptions(seen)
}

// canonical returns the same text for lines with the same options.
func canonical(options []option) string {
	words := make([]string, len(options))
	for i, o := range options {
		words[i] = fmt.Sprintf("%s=%q", o.name, o.value)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// checkOptions refuses options that would have no effect.
func (r *Rule) checkOptions(seen map[string]bool) error {
	switch {
	case seen["cert-authority"] && !seen["principals"]:
		return hint.New("a cert-authority needs principals",
			"principals=\"sre\" admits the certificates that name sre")
	case seen["principals"] && !seen["cert-authority"]:
		return hint.New("principals belong to a cert-authority",
			"add the option cert-authority, or leave principals out")
	}
	for _, name := range confining {
		if seen[name] && len(r.commands) == 0 {
			return hint.Errorf(fmt.Sprintf("add permit-command=\"…\", or leave %s out", name),
				"option %s has no effect without permit-command: such a line permits any command", name)
		}
	}
	return nil
}

func optionHint(name string) string {
	switch name {
	case "command", "from", "environment", "restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding",
		"no-user-rc", "permitopen", "permitlisten", "tunnel", "agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding":
		return "it is an option of sshd; Warren restricts a key with permit-command=\"…\" and related options"
	}
	return "the options are permit-command, permit-shell, permit-script, permit-stdin, permit-env, permit-cwd, permit-push, permit-collect, run-as, any-job, expiry-time, cert-authority, principals, no-touch-required and verify-required"
}

// addCommand adds one expression, anchored at both ends. It compiles the expression
// alone first, so that a parenthesis in it cannot close the group of the anchors.
func (r *Rule) addCommand(value string) error {
	if value == "" {
		return hint.New("the expression is empty",
			"\".*\" permits any command, without a shell")
	}
	if _, err := regexp.Compile(value); err != nil {
		return hint.Errorf("use RE2 syntax; write a backslash as it is, and a double quote as \\\"",
			"%w", err)
	}
	re, err := regexp.Compile(anchorStart + value + anchorEnd)
	if err != nil {
		return err
	}
	r.commands = append(r.commands, re)
	return nil
}

func (r *Rule) addEnv(value string) error {
	names, err := splitList(value)
	for _, n := range names {
		if strings.ContainsAny(n, "=*? ") {
			return hint.Errorf("list the names, as in LANG,LC_ALL",
				"%q is not a variable's name", clip(n, 40))
		}
	}
	r.env = append(r.env, names...)
	return err
}

func (r *Rule) addCwd(value string) error {
	clean := filepath.Clean(value)
	if !filepath.IsAbs(value) || clean != filepath.FromSlash(value) {
		return hint.Errorf("permit-cwd=\"/srv/app\"",
			"%q is not a full path in its shortest form", clip(value, 100))
	}
	r.cwds = append(r.cwds, clean)
	return nil
}

// setExpiry parses YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]. Without Z it is local time
// (sshd(8), expiry-time).
func (r *Rule) setExpiry(value string) error {
	digits, utc := strings.CutSuffix(value, "Z")
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	t, err := time.ParseInLocation(layout, digits, zone)
	if layout == "" || err != nil {
		return hint.Errorf("write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a final Z for UTC",
			"%q is not a time", clip(value, 40))
	}
	r.expires = t
	return nil
}

// splitList splits at commas.
func splitList(value string) ([]string, error) {
	words := strings.Split(value, ",")
	for _, w := range words {
		if w == "" || strings.TrimSpace(w) != w {
			return nil, hint.New("a name is empty or surrounded by blanks", "\"one,two\"")
		}
	}
	return words, nil
}
