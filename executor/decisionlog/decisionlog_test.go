package decisionlog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"warren/internal/agent/trust"
	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// request is a decoded request, issued at t0.
func request(t *testing.T, typ string) *wire.Request {
	t.Helper()
	st := wire.Statement{
		Type: typ, Task: "5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71", IssuedAt: t0.UnixMilli(), NotAfter: t0.Add(time.Minute).UnixMilli(),
		ReplyTo: wire.ReplyQueue("op", "abc"),
	}
	if typ == wire.TypeRun || typ == wire.TypeCheck {
		st.Run = &wire.Run{Command: "true", TimeoutMS: 1000, MaxOutput: 1 << 20}
	} else {
		st.Of = &wire.Target{IssuedAt: st.IssuedAt, NotAfter: st.NotAfter}
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: "a1c4e7d2-58b3-4f06-9e1a-7c3d5b8f2e01", Host: "web01"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.DecodeRequest(b.Body(0))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdictOf is that of a question of alice's, which she has just signed.
func verdictOf(t *testing.T, typ string) *trust.Decision {
	t.Helper()
	r := request(t, typ)
	return &trust.Decision{Request: r, Verified: true, Rule: "ops:1 (alice)", Issuer: trust.Issuer{Fingerprint: "SHA256:alice"}}
}

// newLog is an empty log, and what it says of its own troubles.
func newLog(t *testing.T) (r *Log, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	r, err := Open(filepath.Join(t.TempDir(), FileName), textLog(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, log
}

// lines are a record's; each must be JSON.
func lines(t *testing.T, path string) (all []decision) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var d decision
		if err := json.Unmarshal(line, &d); err != nil || !bytes.HasSuffix(line, []byte("\n")) {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, d)
	}
	return all
}

// Who has captured an operator's question sends it again and again: that pushes
// nothing out of the record. A new decision about it is written.
func TestRepeatedQuestionIsRecordedOnce(t *testing.T) {
	r, _ := newLog(t)
	v := verdictOf(t, wire.TypeStatus)
	for range 1000 {
		r.Verdict(v, t0)
	}
	if n := len(lines(t, r.path)); n != 1 {
		t.Errorf("a question that comes 1000 times is recorded %d times", n)
	}
	v.Refusal = "the job is another operator's"
	r.Verdict(v, t0)
	if all := lines(t, r.path); len(all) != 2 || all[1].Event != "refused" {
		t.Errorf("%d lines, want a second, which refuses", len(all))
	}
	// One that came too late may be any of all that were ever captured.
	for i := range 1000 {
		late := verdictOf(t, wire.TypeCancel)
		late.Refusal, late.OutsideValidity = fmt.Sprintf("its time was up %ds ago by this host's clock", i), true
		r.Verdict(late, t0)
	}
	if n := len(lines(t, r.path)); n != 2+unauthenticatedBurst {
		t.Errorf("%d lines, want two and the limit of %d", n, unauthenticatedBurst)
	}
}

// What is not executed has little room, that which is has all it needs.
func TestLongStatementIsRecordedOnlyIfExecuted(t *testing.T) {
	for _, c := range []struct {
		typ, refusal string
		whole        bool
	}{{wire.TypeRun, "", true}, {wire.TypeRun, "no permit-command matches", false}, {wire.TypeCheck, "", false}} {
		r, _ := newLog(t)
		v := verdictOf(t, c.typ)
		v.Refusal = c.refusal
		v.Request.StatementText += strings.Repeat(" ", maxStatement)
		r.Verdict(v, t0)
		if d := lines(t, r.path)[0]; (d.Statement != "") != c.whole || (d.Omitted == 0) != c.whole {
			t.Errorf("%s %q: %d bytes recorded, %d omitted", c.typ, c.refusal, len(d.Statement), d.Omitted)
		}
	}
}

// Nothing in the record moves a cursor or turns text around, and all of it is
// read back as it was said.
func TestLinesArePrintable(t *testing.T) {
	r, _ := newLog(t)
	const command = "a\nb\x1b[2J\u009b2J\x7f\u202egpj.exe \U000e0041é目"
	v := verdictOf(t, wire.TypeRun)
	v.Request.Statement.Run.Command = command
	r.Verdict(v, t0)
	text, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexAny(strings.TrimSuffix(string(text), "\n"), "\n\x1b\u009b\x7f\u202e\U000e0041"); i >= 0 {
		t.Errorf("%q", text[i:])
	}
	if d := lines(t, r.path)[0]; d.Command != command {
		t.Errorf("read back as %q", d.Command)
	}
}

func TestLogRotates(t *testing.T) {
	r, _ := newLog(t)
	r.max = 2000
	const n = 50
	for i := range n {
		r.write(&decision{Time: t0, Reason: fmt.Sprint(i, strings.Repeat("x", 300))})
	}
	next, files := n, 0
	for i := range keptFiles + 1 { // the newest first
		path := r.name(i)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > r.max || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %d bytes, mode %v", path, info.Size(), info.Mode())
		}
		files++
		all := lines(t, path)
		for k := len(all) - 1; k >= 0; k-- {
			next--
			if !strings.HasPrefix(all[k].Reason, fmt.Sprint(next, "x")) {
				t.Fatalf("%s has %.10q where %d is due", path, all[k].Reason, next)
			}
		}
	}
	if _, err := os.Stat(r.name(files)); !os.IsNotExist(err) {
		t.Errorf("a file too many: %v", err)
	}
}

// Where the old files cannot be moved nothing is lost, neither a new line nor an
// old file.
func TestLogGrowsIfItCannotRotate(t *testing.T) {
	r, log := newLog(t)
	r.max = 1000
	if err := os.MkdirAll(filepath.Join(r.name(keptFiles), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		r.write(&decision{Time: t0, Reason: fmt.Sprint(i, strings.Repeat("x", 100))})
	}
	total := 0
	for i := range keptFiles {
		if _, err := os.Stat(r.name(i)); err == nil {
			total += len(lines(t, r.name(i)))
		}
	}
	if total != 100 {
		t.Errorf("%d of 100 lines are there", total)
	}
	if n := strings.Count(log.String(), "cannot rotate"); n != 1 {
		t.Errorf("it is said %d times: %s", n, log)
	}
}

// A line that was cut off, as by a loss of power, spoils no other.
func TestTornLineSpoilsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte("{\"time\":\"2026-0"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and one that was not is left alone
		r, err := Open(path, textLog(new(bytes.Buffer)))
		if err != nil {
			t.Fatal(err)
		}
		r.write(&decision{Time: t0, Event: "ended"})
		r.Close()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Split(string(text), "\n"); len(all) != 4 || !strings.HasPrefix(all[1], `{"time":"2026-01`) || all[2] != all[1] || all[3] != "" {
		t.Errorf("%q", all)
	}
}

// If the disk is full, a decision goes to the agent's log, and so does each later one until
// there is room again.
func TestDecisionGoesToAgentLogOnFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	log := new(bytes.Buffer)
	r, err := Open("/dev/full", textLog(log))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"first", "second"} {
		v := verdictOf(t, wire.TypeRun)
		v.Request.Statement.Run.Command = command
		v.Request.StatementText += command
		r.Verdict(v, time.Now())
		if !strings.Contains(log.String(), command) || !strings.Contains(log.String(), "no space left") {
			t.Errorf("the log does not have %q: %s", command, log)
		}
	}
	r.Close()
	if r.path = filepath.Join(t.TempDir(), FileName); r.open() != nil { // there is room again
		t.Fatal("cannot open")
	}
	r.write(&decision{Time: t0})
	if len(lines(t, r.path)) != 1 {
		t.Error("nothing is written any more")
	}
	r.Close()
}
