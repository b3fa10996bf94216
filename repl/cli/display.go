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
	Diff     bool   `help:"Show what differs from the most frequent result, instead of each result."`
	Stdout   bool   `help:"Standard output only."`
	Stderr   bool   `help:"Standard error only."`
	Tail     Count  `default:"0" placeholder:"N" help:"The last N lines of each output only; 0 is all."`
	Encoding string `placeholder:"NAME" help:"What the output is encoded in, as in gbk or cp437, instead of UTF-8."`
	JSON     bool   `name:"json" help:"Print one JSON document."`
	JSONL    bool   `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

// FollowFlags say what is shown while a command waits for a task.
type FollowFlags struct {
	Stream bool `help:"Print what the hosts print, line by line, as it comes, instead of the results at the end."`
}

// OutputFlags say where output goes.
type OutputFlags struct {
	Raw   bool   `help:"The bytes of the output and nothing else, to a file or a pipe."`
	Save  string `placeholder:"DIR" help:"Write the outputs into a directory, one file for each host and stream."`
	Force bool   `help:"With --save: overwrite files that are there."`
}

// View checks the flags and makes a view of them. Terminal says that standard output
// is one.
func (r *DisplayFlags) View(out OutputFlags, terminal bool) (*result.View, error) {
	v := &result.View{
		Diff: r.Diff, JSON: r.JSON, JSONL: r.JSONL, Tail: int(r.Tail), Streams: []string{wire.Stdout, wire.Stderr},
		Raw: out.Raw, Save: out.Save, Force: out.Force, Decoded: terminal,
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
		e, err := charset.Find(r.Encoding)
		if err != nil {
			hint := suggest.For(strings.ToLower(r.Encoding), charset.Names())
			if hint == "" {
				hint = "among others there are utf-8, gbk, gb18030, big5, shift_jis, cp437, cp936, windows-1252"
			}
			return nil, &Error{Status: ExitUsage, Text: fmt.Sprintf("--encoding: %q is no encoding", r.Encoding), Hint: hint, Err: err}
		}
		v.Encoding = &e
	}
	return v, nil
}

// Apply checks the flags and adds them to a view.
func (f *FollowFlags) Apply(v *result.View) error {
	v.Stream = f.Stream
	for flag, given := range map[string]bool{"--json": v.JSON, "--raw": v.Raw, "--diff": v.Diff, "--save": v.Save != "", "--tail": v.Tail > 0} {
		if v.Stream && given {
			return Usage("", "--stream and %s contradict each other", flag)
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
		return Usage("", "%s and %s contradict each other", ways[0], ways[1])
	case v.Force && v.Save == "":
		return Usage("--save DIR is what it is for", "--force without --save overwrites nothing")
	case r.Encoding != "" && (v.Raw || v.Save != ""):
		return Usage("iconv decodes what was written", "--encoding and %s contradict each other: bytes are written as they came", ways[0])
	case v.Raw && terminal:
		return Usage("send it to a file or a pipe: … --raw >file", "--raw is not for a terminal, which would obey what a host has printed")
	}
	return nil
}
