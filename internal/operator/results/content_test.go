package results

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}

func TestSums(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(5)
	s.add(t, task, js)
	streamed := exited(js[1], 0, "")
	streamed.Stdout = &wire.Stream{Size: 6}
	s.apply(
		t,
		Update{Job: js[0].ID, Reply: exited(js[0], 0, "a\nb\nc\n")},
		Update{Job: js[1].ID, Reply: output(js[1], wire.Stdout, 0, "a\nb")},
		Update{Job: js[1].ID, Reply: streamed}, // and the rest later
		Update{Job: js[2].ID, Reply: output(js[2], wire.Stdout, 0, "a\n")},
		Update{Job: js[3].ID, Reply: exited(js[3], 0, "")},
		Update{Job: js[4].ID, Outcome: wire.Lost},
	)
	s.apply(t, Update{Job: js[2].ID, Reply: output(js[2], wire.Stdout, 2, "b\nc\n")})
	jobs, err := s.Jobs(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := sumOf("a\nb\nc\n")
	for i, sum := range []string{want, "", "", "", ""} {
		if jobs[i].Stdout.Sum != sum {
			t.Errorf("job %d has sum %x, want %x", i, jobs[i].Stdout.Sum, sum)
		}
	}
	if err := s.Sums(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	if jobs[1].Stdout.Sum != sumOf("a\nb") || jobs[2].Stdout.Sum != want || jobs[3].Stdout.Sum != "" {
		t.Errorf("sums of what is there: %x, %x, %x", jobs[1].Stdout.Sum, jobs[2].Stdout.Sum, jobs[3].Stdout.Sum)
	}
	s.apply(t, Update{Job: js[1].ID, Reply: output(js[1], wire.Stdout, 3, "\nc\n")})
	if j := s.job(t, js[1]); j.Stdout.Sum != want {
		t.Errorf("once whole: %x, want %x", j.Stdout.Sum, want)
	}
}

// A host that sends late bytes one by one does not make the store read the stream again for each.
func TestLateBytesAreSummedWhenAsked(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(1)
	s.add(t, task, js)
	gone := exited(js[0], 0, "")
	gone.Stdout = &wire.Stream{Size: 100, Gone: true}
	s.apply(t, Update{Job: js[0].ID, Reply: output(js[0], wire.Stdout, 0, "a")}, Update{Job: js[0].ID, Reply: gone})
	if j := s.job(t, js[0]); j.Stdout.Sum != sumOf("a") {
		t.Errorf("sum %x before the late bytes, want %x", j.Stdout.Sum, sumOf("a"))
	}
	for i, late := range []string{"b", "c"} {
		s.apply(t, Update{Job: js[0].ID, Reply: output(js[0], wire.Stdout, int64(1+i), late)})
		if j := s.job(t, js[0]); j.Stdout.Sum != "" {
			t.Errorf("after %q the store has read the stream", late)
		}
	}
	jobs, err := s.Jobs(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sums(t.Context(), jobs); err != nil || jobs[0].Stdout.Sum != sumOf("abc") {
		t.Errorf("sum %x, want %x; %v", jobs[0].Stdout.Sum, sumOf("abc"), err)
	}
}

func TestChanged(t *testing.T) {
	s := start(t, t.TempDir())
	other, _ := newTask(3)
	s.add(t, other, nil)
	task, js := newTask(3)
	s.add(t, task, js)
	summaries, stop, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	<-summaries
	changed := func(since int64) (hosts []string, rev int64) {
		t.Helper()
		rev, err := s.Changed(t.Context(), task.ID, since, func(j model.Job) {
			if j.Index != slices.IndexFunc(js, func(k model.Job) bool { return k.ID == j.ID }) {
				t.Errorf("%s has index %d", j.Host, j.Index)
			}
			hosts = append(hosts, j.Host)
		})
		if err != nil {
			t.Fatal(err)
		}
		return hosts, rev
	}
	hosts, rev := changed(-1)
	if len(hosts) != 3 || rev != 0 {
		t.Errorf("at first: %v, revision %d", hosts, rev)
	}
	s.apply(t, Update{Job: js[1].ID, Reply: output(js[1], wire.Stdout, 0, "a")})
	if sum := <-summaries; sum.Ended != 0 || sum.Rev == rev {
		t.Errorf("no summary after output: %+v", sum)
	}
	hosts, rev = changed(rev)
	if !slices.Equal(hosts, []string{js[1].Host}) {
		t.Errorf("changed: %v", hosts)
	}
	s.apply(t, Update{Job: js[0].ID, Reply: exited(js[0], 0, "x")}, Update{Job: js[2].ID, Reply: exited(js[2], 0, "x")})
	hosts, rev = changed(rev)
	if !slices.Equal(hosts, []string{js[0].Host, js[2].Host}) {
		t.Errorf("changed: %v", hosts)
	}
	if hosts, again := changed(rev); len(hosts) > 0 || again != rev {
		t.Errorf("nothing has changed, but %v, revision %d for %d", hosts, again, rev)
	}
}

func TestHasPending(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(2)
	s.add(t, task, js)
	unsettled := func() bool {
		t.Helper()
		ok, err := s.HasPending(t.Context(), task.ID)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	partly := exited(js[1], 0, "")
	partly.Stdout.Size = 1
	for _, step := range []struct {
		u    Update
		want bool
	}{
		{Update{Job: js[0].ID, Reply: exited(js[0], 0, "x")}, false},
		{Update{Job: js[1].ID, Outcome: wire.Lost}, false},
		{Update{Job: js[1].ID, Reply: partly}, false},
		{Update{Job: js[1].ID, Reply: output(js[1], wire.Stdout, 0, "y")}, true},
	} {
		s.apply(t, step.u)
		if got := unsettled(); got == step.want {
			t.Errorf("unsettled: %v", got)
		}
	}
}

func TestOutputFromAndTail(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(1)
	s.add(t, task, js)
	text := "one\ntwo\n\nfour"
	for _, cut := range []string{"on", "e\ntw", "o\n\n", "four"} {
		s.apply(t, Update{Job: js[0].ID, Reply: output(js[0], wire.Stdout, int64(strings.Index(text, cut)), cut)})
	}
	for from := range int64(len(text) + 2) {
		got := ""
		for g, err := range s.Output(t.Context(), js[0].ID, wire.Stdout, from) {
			if err != nil || g.Offset != from+int64(len(got)) {
				t.Fatal(g.Offset, err)
			}
			got += string(g.Data)
		}
		if got != text[min(int(from), len(text)):] {
			t.Errorf("from %d: %q", from, got)
		}
	}
	for lines, want := range map[int]string{1: "four", 2: "\nfour", 3: "two\n\nfour", 4: text, 9: text} {
		from, err := s.Tail(t.Context(), js[0].ID, wire.Stdout, lines)
		if err != nil || text[from:] != want {
			t.Errorf("the last %d lines: %q, %v", lines, text[from:], err)
		}
	}
	s.apply(t, Update{Job: js[0].ID, Reply: output(js[0], wire.Stdout, int64(len(text)), "\n")})
	if from, err := s.Tail(t.Context(), js[0].ID, wire.Stdout, 1); err != nil || from != int64(len(text)-4) {
		t.Errorf("with a newline at the end: %d, %v", from, err)
	}
}

// Output of many pieces is whole, from each offset on, and no query is open while a piece is used.
func TestOutputLeavesTheFileToOthers(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(1)
	s.add(t, task, js)
	text := ""
	for i := range 150 {
		piece := fmt.Sprintf("line %d\n", i)
		s.apply(t, Update{Job: js[0].ID, Reply: output(js[0], wire.Stdout, int64(len(text)), piece)})
		text += piece
	}
	for from := 0; from <= len(text); from += 41 {
		got, pieces := "", 0
		for g, err := range s.Output(t.Context(), js[0].ID, wire.Stdout, int64(from)) {
			if err != nil || g.Offset != int64(from+len(got)) {
				t.Fatal(g.Offset, err)
			}
			got += string(g.Data)
			if pieces++; from == 0 && (pieces == 1 || pieces == 100) {
				if busy := queryRaw(t, s.dir, "PRAGMA wal_checkpoint(TRUNCATE)"); busy != "0" {
					t.Errorf("at piece %d, the log cannot be written back", pieces)
				}
			}
		}
		if got != text[from:] {
			t.Fatalf("from %d: %q", from, got)
		}
	}
}

// The last lines in the segments of Ends are those that Tail finds.
func TestEndsMatchTail(t *testing.T) {
	s := start(t, t.TempDir())
	task, js := newTask(4)
	s.add(t, task, js)
	long := strings.Repeat("x", 40)
	for i, cuts := range [][]string{{"a\nb\nc\n"}, {"a\nb", "\nc\nd\n", "e"}, {"one line " + long, long}, nil} {
		offset := 0
		for _, cut := range cuts {
			for _, stream := range []string{wire.Stdout, wire.Stderr} {
				s.apply(t, Update{Job: js[i].ID, Reply: output(js[i], stream, int64(offset), cut)})
			}
			offset += len(cut)
		}
	}
	for lines := 1; lines < 6; lines++ {
		found := 0
		for p, err := range s.Ends(t.Context(), task.ID) {
			if err != nil {
				t.Fatal(err)
			}
			from, err := s.Tail(t.Context(), js[p.Job].ID, p.Stream, lines)
			if err != nil {
				t.Fatal(err)
			}
			tail, ok := model.LastLines(p.Segment, lines)
			if ok && tail.Offset != from || !ok && (from > p.Offset || p.Offset == 0) {
				t.Errorf("job %d, %s, the last %d lines: from %d, %v; Tail: %d", p.Job, p.Stream, lines, tail.Offset, ok, from)
			}
			found++
		}
		if found != 6 {
			t.Errorf("%d ends, want 6", found)
		}
	}
}
