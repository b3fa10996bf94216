package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/internal/suggest"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/target"
)

// A reading is how results are shown: flags of every command that shows some.
type displayFlags struct {
	Diff     bool      `help:"Show what differs from the most frequent result, instead of each result."`
	Stdout   bool      `help:"Standard output only."`
	Stderr   bool      `help:"Standard error only."`
	Tail     cli.Count `default:"0" placeholder:"N" help:"The last N lines of each output only; 0 is all."`
	Encoding string    `placeholder:"NAME" help:"What the output is encoded in, as in gbk or cp437, instead of UTF-8."`
	JSON     bool      `name:"json" help:"Print one JSON document."`
	JSONL    bool      `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

// A following is what more can be said while a task is waited for.
type followFlags struct {
	Stream bool `help:"Print what the hosts print, line by line, as it comes, instead of the results at the end."`
}

// A selection is which results are shown, and where they go: further flags of
// the commands that are for reading.
type resultFilter struct {
	Host    []string `placeholder:"EXPR" sep:"none" help:"Only these hosts. May be repeated."`
	Outcome []string `placeholder:"NAME,…" help:"Only hosts that ended so, or stand so: ok, failed, or any outcome or state."`
	Raw     bool     `help:"The bytes of the output and nothing else, to a file or a pipe."`
	Save    string   `placeholder:"DIR" help:"Write the outputs into a directory, one file for each host and stream."`
	Force   bool     `help:"With --save: overwrite files that are there."`
}

// check makes a view of the flags. It is called before anything is done.
func (r *displayFlags) check(ctx context.Context, env *Env, sel *resultFilter) (*result.View, error) {
	terminal := env.IO.OutTerminal
	v := &result.View{
		Diff: r.Diff, JSON: r.JSON, JSONL: r.JSONL, Tail: int(r.Tail), Streams: []string{wire.Stdout, wire.Stderr},
		Raw: sel.Raw, Save: sel.Save, Force: sel.Force, Decoded: terminal,
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
			return nil, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("--encoding: %q is no encoding", r.Encoding), Hint: hint, Err: err}
		}
		v.Encoding = &e
	}
	return v, sel.choose(ctx, env, v)
}

// follow takes in the flags of a command that waits.
func (f *followFlags) follow(v *result.View) error {
	v.Stream = f.Stream
	for flag, given := range map[string]bool{"--json": v.JSON, "--raw": v.Raw, "--diff": v.Diff, "--save": v.Save != "", "--tail": v.Tail > 0} {
		if v.Stream && given {
			return cli.Usage("", "--stream and %s contradict each other", flag)
		}
	}
	return nil
}

// contradiction finds flags that cannot be meant together.
func (r *displayFlags) contradiction(v *result.View, terminal bool) error {
	given := map[string]bool{"--diff": v.Diff, "--raw": v.Raw, "--json": v.JSON, "--jsonl": v.JSONL, "--save": v.Save != ""}
	var ways []string
	for _, way := range []string{"--json", "--jsonl", "--raw", "--diff", "--save"} {
		if given[way] {
			ways = append(ways, way)
		}
	}
	switch {
	case len(ways) > 1:
		return cli.Usage("", "%s and %s contradict each other", ways[0], ways[1])
	case v.Force && v.Save == "":
		return cli.Usage("--save DIR is what it is for", "--force without --save overwrites nothing")
	case r.Encoding != "" && (v.Raw || v.Save != ""):
		return cli.Usage("iconv decodes what was written", "--encoding and %s contradict each other: bytes are written as they came", ways[0])
	case v.Raw && terminal:
		return cli.Usage("send it to a file or a pipe: … --raw >file", "--raw is not for a terminal, which would obey what a host has printed")
	}
	return nil
}

func (sel *resultFilter) choose(ctx context.Context, env *Env, v *result.View) error {
	if len(sel.Host) > 0 {
		exprs, err := (&target.Flags{}).Expressions("--host", sel.Host, nil)
		if err != nil {
			return err
		}
		if v.Hosts, err = env.targetEnv().Evaluate(ctx, exprs); err != nil {
			return err
		}
		if v.Hosts.Len() == 0 {
			return cli.Usage("hosts expand shows what an expression stands for", "--host: the expressions stand for no host")
		}
	}
	for _, name := range sel.Outcome {
		name = strings.ToLower(strings.TrimSpace(name))
		if known := model.StatusNames(); !slices.Contains(known, name) {
			hint := suggest.For(name, known)
			if hint == "" {
				hint = "there are " + strings.Join(known, ", ")
			}
			return cli.Usage(hint, "--outcome: %q is no outcome", name)
		}
		v.Outcomes = append(v.Outcomes, name)
	}
	return nil
}

// unknownHosts is the error about hosts that are not a task's.
func unknownHosts(task *model.Task, missing []string, jobs []model.Job) error {
	names := make([]string, len(jobs))
	for i := range jobs {
		names[i] = jobs[i].Host
	}
	hint := ""
	if len(missing) == 1 && len(names) <= 1000 {
		hint = suggest.For(missing[0], names)
	}
	if hint == "" {
		hint = "its hosts are " + result.FoldShort(names, 60)
	}
	return cli.Usage(hint, "not in task %s: %s", result.ShortID(task.ID), result.FoldShort(missing, 200))
}
