package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/escape"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// writerEnv makes the test binary append records: "dir name count max".
const writerEnv = "WARREN_TEST_AUDIT_WRITER"

func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv(writerEnv)); len(args) == 4 {
		count, _ := strconv.Atoi(args[2])
		limit, _ := strconv.ParseInt(args[3], 10, 64)
		if err := writeMany(args[0], args[1], count, limit); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// small is a Log that rotates at limit bytes.
func small(dir, operator string, limit int64, keep int) *Log {
	f := &file{path: filepath.Join(dir, ExecuteLog), lock: filepath.Join(dir, "audit.lock"), max: limit, keep: keep}
	return &Log{executed: handler(f, operator)}
}

// A log is read on terminals.
func TestLogEscapesHiddenCharacters(t *testing.T) {
	dir := t.TempDir()
	const command = "echo \u009b2J\u202e\x7f\u2066"
	if err := small(dir, "me\u202e", 1<<20, manyKeep).Executed(&model.Task{ID: "t", Command: command}, "", []string{"web01"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ExecuteLog))
	if err != nil {
		t.Fatal(err)
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.Command != command || l.Operator != "me\u202e" {
		t.Errorf("%+v, %v", l, err)
	}
	if i := bytes.IndexFunc(bytes.TrimSuffix(text, []byte("\n")), escape.IsHidden); i >= 0 {
		t.Errorf("%q", text)
	}
}

const manyKeep = 1000 // so that nothing is thrown away

func writeMany(dir, operator string, count int, limit int64) error {
	l := small(dir, operator, limit, manyKeep)
	for i := range count {
		if err := l.Executed(&model.Task{ID: fmt.Sprint(i), Command: "true"}, "", []string{"web01"}); err != nil {
			return err
		}
	}
	return nil
}

type line struct {
	Time     time.Time
	Operator string
	Task     string
	Command  string
	Script   *model.Content
	Stdin    *model.Content
	Hosts    []string
	Key      string
}

// lines decodes a file strictly: every line is one whole record.
func lines(t *testing.T, path string) (out []line) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		t.Errorf("%s: the last line is cut", path)
	}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var l line
		d := json.NewDecoder(bytes.NewReader(in.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%s: %v in %q", path, err, in.Text())
		}
		out = append(out, l)
	}
	return out
}

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, "ann")
	if err != nil {
		t.Fatal(err)
	}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("web%05d.example.org", i)
	}
	start := time.Now()
	for _, err := range []error{
		l.Executed(&model.Task{ID: "t1", Command: "df -h | grep \"<&>\"\nnext"}, "SHA256:key", []string{"web01", "web02"}),
		l.Executed(&model.Task{ID: "t2", Command: "\xff\x1b[2J"}, "", many),
		l.Viewed(&model.Task{ID: "t1", Command: "df -h"}, "SHA256:key", nil),
		l.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	got := lines(t, filepath.Join(dir, ExecuteLog))
	if len(got) != 2 {
		t.Fatalf("%d lines", len(got))
	}
	first := got[0]
	if first.Operator != "ann" || first.Key != "SHA256:key" || got[1].Key != "" || first.Task != "t1" || first.Command != "df -h | grep \"<&>\"\nnext" || !slices.Equal(first.Hosts, []string{"web01", "web02"}) {
		t.Errorf("got %+v", first)
	}
	if d := first.Time.Sub(start); d < -time.Second || d > time.Minute {
		t.Errorf("time is off by %v", d)
	}
	if !slices.Equal(got[1].Hosts, many) {
		t.Error("10,000 hosts do not come back")
	}
	raw, _ := os.ReadFile(filepath.Join(dir, ViewLog))
	if s := string(raw); !strings.HasPrefix(s, `{"time":"`) || !strings.HasSuffix(s, `,"operator":"ann","task":"t1","command":"df -h","hosts":[],"key":"SHA256:key"}`+"\n") {
		t.Errorf("view log: %s", s)
	}
	for _, name := range []string{ExecuteLog, ViewLog} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if m := info.Mode().Perm(); runtime.GOOS != "windows" && m != 0o600 {
			t.Errorf("%s has mode %o", name, m)
		}
	}
}

// A file's name does not say what has run.
func TestScriptAndStandardInputAreIdentified(t *testing.T) {
	dir := t.TempDir()
	run := wire.Run{Script: []byte("#!/bin/sh -e\u202e\nexit\n"), Stdin: []byte("hunter2\n")}
	task := &model.Task{ID: "t", Command: "patch.sh 1.2.3", Script: model.DescribeScript(&run), Stdin: model.DescribeStdin(&run)}
	if err := small(dir, "me", 1<<20, manyKeep).Executed(task, "", []string{"web01"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ExecuteLog)
	got := lines(t, path)
	if len(got) != 1 || !reflect.DeepEqual(got[0].Script, task.Script) || !reflect.DeepEqual(got[0].Stdin, task.Stdin) {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"script":{"sha256":"`+task.Script.SHA256+`","bytes":21,"first_line":"#!/bin/sh -e\u202e"},"stdin":{"sha256":"`+task.Stdin.SHA256+`","bytes":8},"hosts":`) {
		t.Errorf("%s, %v", text, err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("standard input is in the log: %s", text)
	}
}

func TestReopenAppends(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		l, err := Open(dir, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Executed(&model.Task{ID: fmt.Sprint(i), Command: "true"}, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, filepath.Join(dir, ExecuteLog)); len(got) != 3 {
		t.Errorf("%d lines, want 3", len(got))
	}
}

func TestRotateKeeps(t *testing.T) {
	dir := t.TempDir()
	l := small(dir, "ann", 1000, 2)
	for i := range 60 {
		if err := l.Executed(&model.Task{ID: fmt.Sprint(i), Command: "true"}, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	var tasks []string
	for _, name := range []string{ExecuteLog + ".2", ExecuteLog + ".1", ExecuteLog} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Size() > 1000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		for _, l := range lines(t, path) {
			tasks = append(tasks, l.Task)
		}
	}
	for i, task := range tasks { // the newest, in order, without a gap
		if want := fmt.Sprint(60 - len(tasks) + i); task != want {
			t.Fatalf("record %d is %s, want %s", i, task, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ExecuteLog+".3")); err == nil {
		t.Error("a third older file is kept")
	}
}

// TestProcesses has several processes, with several goroutines in one of them,
// write and rotate at the same time: no record is lost, cut or mixed.
func TestProcessesShareLogs(t *testing.T) {
	const each, limit = 150, 4000
	dir := t.TempDir()
	var cmds []*exec.Cmd
	for i := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s p%d %d %d", writerEnv, dir, i, each, limit))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	errs := make(chan error, 2)
	for i := range cap(errs) {
		go func() { errs <- writeMany(dir, fmt.Sprintf("g%d", i), each, limit) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}

	files, err := filepath.Glob(filepath.Join(dir, ExecuteLog+"*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	seen := map[string]int{}
	for _, f := range files {
		for _, l := range lines(t, f) {
			seen[l.Operator+"/"+l.Task]++
		}
	}
	if len(seen) != 5*each {
		t.Errorf("%d records, want %d", len(seen), 5*each)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%s written %d times", k, n)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ViewLog), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "ann"); err == nil || !strings.Contains(hint.Text(err), ViewLog) || !strings.Contains(hint.Text(err), "\nhint: ") {
		t.Errorf("got %v", err)
	}
	if runtime.GOOS != "linux" {
		return // there is no /dev/full
	}
	full := &file{path: "/dev/full", lock: filepath.Join(dir, "audit.lock"), max: maxSize, keep: 1}
	l := &Log{executed: handler(full, "ann")}
	if err := l.Executed(&model.Task{ID: "t", Command: "true"}, "", nil); err == nil || !strings.Contains(hint.Text(err), "no space") || !strings.Contains(hint.Text(err), "\nhint: ") {
		t.Errorf("got %v", err)
	}
}
