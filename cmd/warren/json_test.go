package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
)

// A document is what --json prints of a task, as a script reads it: member by
// member. Raw ones tell null from absence.
type document struct {
	ID      string          `json:"id"`
	Command string          `json:"command"`
	Created time.Time       `json:"created"`
	State   string          `json:"state"`
	Summary map[string]int  `json:"summary"`
	RetryOf json.RawMessage `json:"retry_of"`

	VerifyOf json.RawMessage `json:"verify_of"`

	Rollout json.RawMessage              `json:"rollout"`
	Script  *model.Content               `json:"script"`
	Stdin   *model.Content               `json:"stdin"`
	Jobs    []map[string]json.RawMessage `json:"jobs"`
}

// decode wants exactly one JSON document without members that nobody knows.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, clip(text))
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one document: %s", clip(text))
	}
}

// job is the job of a host.
func (d *document) job(t *testing.T, host string) map[string]json.RawMessage {
	t.Helper()
	for _, j := range d.Jobs {
		if string(j["host"]) == fmt.Sprintf("%q", host) {
			return j
		}
	}
	t.Fatalf("no job of %s", host)
	return nil
}

func wantMembers(t *testing.T, job map[string]json.RawMessage, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got, ok := job[name]; !ok || string(got) != value {
			t.Errorf("%s: %s is %q, want %q", job["host"], name, got, value)
		}
	}
}

func names(job map[string]json.RawMessage) []string {
	var all []string
	for name := range job {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	b, _ := p.agent("b")
	absent := p.prefix + "absent"
	script := `case $WARREN_HOST in *-a) printf 'é"\n\033[0m'; echo oops >&2; exit 3;; *) printf '\377\001'; kill -TERM $$;; esac`

	r := p.want(1, "run", script, "--hosts", strings.Join([]string{a, b, absent}, " "), "--json")
	if r.err != "" {
		t.Errorf("standard error: %s", r.err)
	}
	var d document
	decode(t, r.out, &d)
	if d.Command != script || d.State != "done" || len(d.ID) != 36 || time.Since(d.Created).Abs() > time.Minute || d.Created.Location() != time.UTC {
		t.Errorf("%+v", d)
	}
	summary := map[string]int{
		"hosts": 3, "ok": 0, "exited": 1, "signaled": 1, "unreachable": 1,
		"timed_out": 0, "canceled": 0, "failed_to_start": 0, "rejected": 0, "expired": 0, "interrupted": 0, "lost": 0,
	}
	if fmt.Sprint(d.Summary) != fmt.Sprint(summary) {
		t.Errorf("summary %v, want %v", d.Summary, summary)
	}
	always := []string{
		"agent", "code_page", "dropped_stderr", "dropped_stdout", "duration_ms", "exit_code", "host", "killed", "left", "outcome", "reason",
		"signal", "started", "state", "stderr", "stdout",
	}
	job := d.job(t, a)
	wantMembers(t, job, map[string]string{
		"agent": `"` + a + `"`, "state": `"ended"`, "outcome": `"exited"`, "exit_code": "3", "signal": "null", "reason": "null",
		"stderr": `"oops\n"`, "dropped_stdout": "0", "dropped_stderr": "0",
	})
	var out string
	if err := json.Unmarshal(job["stdout"], &out); err != nil || out != "é\"\n\x1b[0m" {
		t.Errorf("stdout %s: %v", job["stdout"], err)
	}
	if got := names(job); !slices.Equal(got, always) {
		t.Errorf("members %q", got)
	}
	var started time.Time
	if err := json.Unmarshal(job["started"], &started); err != nil || time.Since(started).Abs() > time.Minute {
		t.Errorf("started %s: %v", job["started"], err)
	}

	job = d.job(t, b)
	wantMembers(t, job, map[string]string{
		"outcome": `"signaled"`, "signal": `"SIGTERM"`, "exit_code": "null",
		"stdout_base64": `"` + base64.StdEncoding.EncodeToString([]byte("\xff\x01")) + `"`, "stderr": `""`,
	})
	if _, ok := job["stdout"]; ok {
		t.Error("stdout stands beside its base64 form")
	}
	wantMembers(t, d.job(t, absent), map[string]string{
		"agent": "null", "state": `"ended"`, "outcome": `"unreachable"`, "exit_code": "null", "signal": "null",
		"started": "null", "duration_ms": "null", "stdout": `""`, "stderr": `""`, "reason": `"no agent answers to this name"`,
	})

	// check_task prints the same document, wait too.
	for _, command := range []string{"check_task", "wait"} {
		if again := p.want(1, command, d.ID, "--json"); again.out != r.out {
			t.Errorf("%s prints another document: %s", command, clip(again.out))
		}
	}
	// tasks has the same fields less the jobs, newest first.
	p.want(0, "run", "true", "--hosts", a)
	var list struct{ Tasks []map[string]json.RawMessage }
	decode(t, p.want(0, "tasks", "--json").out, &list)
	if len(list.Tasks) != 2 || string(list.Tasks[1]["id"]) != `"`+d.ID+`"` ||
		!slices.Equal(names(list.Tasks[1]), []string{"command", "created", "id", "retry_of", "rollout", "script", "state", "stdin", "summary", "verify_of"}) {
		t.Errorf("tasks: %s", list.Tasks)
	}
}

// While it runs, the document says so; --detach and cancel print it too.
func TestJSONOfWhatRuns(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	var d document
	decode(t, p.want(0, "run", "echo begun; sleep 300", "--hosts", a, "--detach", "--json").out, &d)
	if d.State != "running" || d.Summary["hosts"] != 1 {
		t.Errorf("%+v", d)
	}
	eventually(t, func() error {
		decode(t, p.want(1, "check_task", d.ID, "--json").out, &d)
		if got := string(d.job(t, a)["stdout"]); got != `"begun\n"` {
			return fmt.Errorf("stdout %s", got)
		}
		return nil
	})
	wantMembers(t, d.job(t, a), map[string]string{"state": `"running"`, "outcome": "null", "exit_code": "null", "duration_ms": "null", "agent": `"` + a + `"`})
	decode(t, p.want(0, "cancel", d.ID, "--json").out, &d)
	decode(t, p.want(1, "wait", d.ID, "--json").out, &d)
	if d.State != "done" || d.Summary["canceled"] != 1 {
		t.Errorf("%+v", d)
	}
}

// With --json an error leaves standard output empty.
func TestJSONErrors(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, args := range [][]string{
		{"run", "true", "--json"},
		{"check_task", "ffff0000", "--json"},
		{"cancel", "nonsense!", "--json"},
		{"--broker", "amqp://127.0.0.1:1/", "hosts", "--json"},
		{"--broker", "amqp://127.0.0.1:1/", "run", "true", "--hosts", "x", "--detach", "--json"},
	} {
		r := p.warren(args...)
		if r.status < 2 || r.out != "" || !strings.HasPrefix(r.err, "error: ") {
			t.Errorf("%q: %s", args, r)
		}
	}
	var hosts struct{ Hosts []string }
	decode(t, p.want(0, "hosts", "expand", "web[1-2]", "--json").out, &hosts)
	if !slices.Equal(hosts.Hosts, []string{"web1", "web2"}) {
		t.Errorf("%v", hosts)
	}
}

// 100 MB of output: the store and the memory stay small, both ends are there.
func TestHugeOutput(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	const lines, each = 1_000_000, 100
	r := p.want(1, "run", fmt.Sprintf("yes %s | head -n %d; exec >&2; echo done", strings.Repeat("x", each-1), lines), "--hosts", a, "--json")
	if want := fmt.Sprintf("(%d bytes) of stdout of %s: not kept", lines*each-1<<20, a); !strings.Contains(r.err, want) {
		t.Errorf("%q, want %q", r.err, want)
	}
	var d document
	decode(t, r.out, &d)
	job := d.job(t, a)
	var out string
	if err := json.Unmarshal(job["stdout"], &out); err != nil {
		t.Fatal(err)
	}
	const kept = 1 << 20 // the default of --max-output
	if len(out) != kept || string(job["dropped_stdout"]) != fmt.Sprint(lines*each-kept) {
		t.Errorf("%d bytes kept, %s dropped", len(out), job["dropped_stdout"])
	}
	if strings.Trim(out, "x\n") != "" {
		t.Error("other bytes than were printed")
	}
	wantMembers(t, job, map[string]string{"outcome": `"exited"`, "exit_code": "0", "stderr": `"done\n"`, "dropped_stderr": "0"})
}
