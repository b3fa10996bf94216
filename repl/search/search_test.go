package search

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/repl/result"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore has the segments of standard output by job, and counts reads.
type fakeStore struct {
	segments map[string][]model.Segment
	reads    int
}

func (s *fakeStore) Output(_ context.Context, job, stream string, _ int64) iter.Seq2[model.Segment, error] {
	s.reads++
	return func(yield func(model.Segment, error) bool) {
		if stream != "stdout" {
			return
		}
		for _, g := range s.segments[job] {
			if !yield(g, nil) {
				return
			}
		}
	}
}

func (s *fakeStore) job(i int, sum, text string) model.Job {
	id := fmt.Sprint(i)
	s.segments[id] = []model.Segment{{Data: []byte(text)}}
	return model.Job{ID: id, Host: "h" + id, Index: i, Stdout: model.Output{Size: int64(len(text)), Kept: int64(len(text)), Sum: sum}}
}

func search(t *testing.T, s store, jobs []model.Job, re string) (found []string) {
	t.Helper()
	search := newTaskSearch(s, result.DefaultView(), regexp.MustCompile(re), jobs, func(m match) error {
		found = append(found, strings.Join(m.hosts, ",")+": "+string(m.text))
		return nil
	})
	if err := search.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEqualStreamsAreReadOnce(t *testing.T) {
	s := &fakeStore{segments: map[string][]model.Segment{}}
	jobs := []model.Job{s.job(0, "x", "a\nb\n"), s.job(1, "x", "a\nb\n"), s.job(2, "", "a\nc\n"), s.job(3, "", "a\nc\n")}
	got := search(t, s, jobs, "a|c")
	if want := []string{"h0,h1,h2,h3: a", "h2,h3: c"}; strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("found %q, want %q", got, want)
	}
	if s.reads != 3 { // streams without a sum may differ
		t.Errorf("read %d streams, want 3", s.reads)
	}
}

// A search never keeps more than heldBytes of matching lines.
func TestSearchKeepsABoundedNumberOfLines(t *testing.T) {
	s := &fakeStore{segments: map[string][]model.Segment{}}
	long := strings.Repeat("x", 1<<20-10)
	var jobs []model.Job
	for i := range 40 {
		jobs = append(jobs, s.job(i, "", fmt.Sprintf("%d%s\nsame\n", i, long)))
	}
	n, most := 0, 0
	var search *taskSearch
	search = newTaskSearch(s, result.DefaultView(), regexp.MustCompile("."), jobs, func(m match) error {
		if string(m.text) == "same" {
			n += len(m.hosts)
		}
		most = max(most, search.held)
		return nil
	})
	if err := search.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n != len(jobs) {
		t.Errorf("the common line was found on %d hosts, want %d", n, len(jobs))
	}
	if most > heldBytes+longestLine+2*entryBytes {
		t.Errorf("kept %d bytes", most)
	}
}

func TestLinesOfAStream(t *testing.T) {
	long := strings.Repeat("y", longestLine+3)
	for name, test := range map[string]struct {
		segments []model.Segment
		want     []string
	}{
		"pieces":        {[]model.Segment{{Data: []byte("a")}, {Offset: 1, Data: []byte("b\nc")}}, []string{"ab", "c"}},
		"gap":           {[]model.Segment{{Data: []byte("ab")}, {Offset: 9, Data: []byte("c\n")}}, []string{"ab", "c"}},
		"begins late":   {[]model.Segment{{Offset: 9, Data: []byte("c\n")}}, []string{"c"}},
		"Windows":       {[]model.Segment{{Data: []byte("a\r\n\r\nb\r")}}, []string{"a", "", "b"}},
		"empty":         {nil, nil},
		"a long line":   {[]model.Segment{{Data: []byte(long)}}, []string{long[:longestLine], "yyy"}},
		"in two pieces": {[]model.Segment{{Data: []byte(long[:5])}, {Offset: 5, Data: []byte(long[5:] + "\nz")}}, []string{long[:longestLine], "yyy", "z"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			r := newLineReader(charset.Encoding{}.NewDecoder(), func(line []byte) error {
				got = append(got, string(bytes.Clone(line)))
				return nil
			})
			err := r.read(func(yield func(model.Segment, error) bool) {
				for _, g := range test.segments {
					if !yield(g, nil) {
						return
					}
				}
			})
			if err != nil || fmt.Sprintf("%.40q", got) != fmt.Sprintf("%.40q", test.want) || len(got) != len(test.want) {
				t.Errorf("got %.40q (%v), want %.40q", got, err, test.want)
			}
		})
	}
}
