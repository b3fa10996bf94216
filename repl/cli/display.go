package cli

import (
	"fmt"
	"strings"

	"warren/internal/operator/charset"
	"warren/internal/suggest"
	"warren/internal/wire"
	"warren/repl/result"
)

// DisplayFlags say how results are shown.
type DisplayFlags struct {
	Diff     bool   `help:"Show the differences from the most frequent result, instead of each result."`
	Stdout   bool   `help:"Standard output only."`
	Stderr   bool   `help:"Standard error only."`
	Tail     Count  `default:"0" placeholder:"N" help:"Show the last N lines of each output; 0 means all."`
	Encoding string `placeholder:"NAME" help:"Encoding of the output, such as gbk or cp437. Default: the code page that the result names, else UTF-8."`
	JSON     bool   `name:"json" help:"Print one JSON document."`
	JSONL    bool   `name:"jsonl" help:"Print one JSON object per line as results arrive."`
}

// FollowFlags say what is shown while a command waits for a task.
type FollowFlags struct {
	Stream bool `help:"Print the output of the hosts line by line as it arrives, instead of the results at the end."`
}

// OutputFlags say where output goes.
type OutputFlags struct {
	Raw   bool   `help:"Write the bytes of the output and nothing else, to a file or a pipe."`
	Save  string `type:"localfile" placeholder:"DIR" help:"Write the output into a directory, one file for each host and stream."`
	Force bool   `help:"With --save: overwrite existing files."`
}

// View checks the flags and makes a view of them. Terminal says that standard output
// is one.
func (r *DisplayFlags) View(out OutputFlags, terminal bool) (*result.View, error) {
	v := &result.View{
		Diff: r.Diff, JSON: r.JSON, JSONL: r.JSONL, Tail: int(r.Tail), Streams: []string{wire.Stdout, wire.Stderr},
		Raw: out.Raw, Save: out.Save, Force: out.Force, Decoded: terminal || r.JSON || r.JSONL,
	}
	if err := r.contradiction(v, terminal); err != nil {
		return nil, err
	}
	switch {
	case r.Stdout && !r.Stderr, v.Raw && !r.Stderr:
		v.Streams = []string{wire.Stdout}
	case r.Stderr && !r.Stdout:
		v.Streams = []string{wire.Stderr}
	}
	if r.Encoding != "" {
		e, err := FindEncoding("--encoding", r.Encoding)
		if err != nil {
			return nil, err
		}
		v.Encoding = &e
	}
	return v, nil
}

// FindEncoding returns the encoding that a flag names.
func FindEncoding(flag, name string) (charset.Encoding, error) {
	e, err := charset.Find(name)
	if err == nil {
		return e, nil
	}
	hint := suggest.For(strings.ToLower(name), charset.Names())
	if hint == "" {
		hint = "some encodings: utf-8, gbk, gb18030, big5, shift_jis, cp437, cp936, windows-1252"
	}
	return e, &Error{Status: ExitUsage, Text: fmt.Sprintf("%s: %q is not a known encoding", flag, name), Hint: hint, Err: err}
}

// Apply checks the flags and adds them to a view.
func (f *FollowFlags) Apply(v *result.View) error {
	v.Stream = f.Stream
	for flag, given := range map[string]bool{"--json": v.JSON, "--raw": v.Raw, "--diff": v.Diff, "--save": v.Save != "", "--tail": v.Tail > 0} {
		if v.Stream && given {
			return Usage("", "--stream and %s cannot be combined", flag)
		}
	}
	return nil
}

// contradiction returns an error for flags that exclude each other.
func (r *DisplayFlags) contradiction(v *result.View, terminal bool) error {
	given := map[string]bool{"--diff": v.Diff, "--raw": v.Raw, "--json": v.JSON, "--jsonl": v.JSONL, "--save": v.Save != ""}
	var ways []string
	for _, way := range []string{"--json", "--jsonl", "--raw", "--diff", "--save"} {
		if given[way] {
			ways = append(ways, way)
		}
	}
	switch {
	case len(ways) > 1:
		return Usage("", "%s and %s cannot be combined", ways[0], ways[1])
	case v.Force && v.Save == "":
		return Usage("for example --save DIR --force", "--force needs --save")
	case r.Encoding != "" && (v.Raw || v.Save != ""):
		return Usage("convert the files with iconv", "--encoding and %s cannot be combined: bytes are written unchanged", ways[0])
	case v.Raw && terminal:
		return Usage("send it to a file or a pipe: … --raw >file", "--raw does not write to a terminal, because output of a host could control it")
	}
	return nil
}
