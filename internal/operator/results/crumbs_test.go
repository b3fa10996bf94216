package results

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// rows counts the rows of output.
func (r *running) rows(t *testing.T) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(filepath.Join(r.dir, fileName), "mode=ro"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM output").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A host that sends its output byte by byte costs the operator no row for each,
// and one that leaves a gap after each byte no more than a bounded number.
func TestOutputInCrumbs(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	task.MaxOutput = 1 << 20
	s.add(t, task, jobs)
	j := jobs[0]
	want := strings.Repeat("ab\x00\xff\n", 2000)
	var us []Update
	for i := range len(want) {
		us = append(us, Update{Job: j.ID, Reply: output(j, "stdout", int64(i), want[i:i+1])})
	}
	s.apply(t, us...)
	if got := s.text(t, j, "stdout"); got != want {
		t.Errorf("%d bytes are read back, want %d", len(got), len(want))
	}
	if n := s.rows(t); n != 1 {
		t.Errorf("%d rows", n)
	}
	us = nil
	for i := range 2 * maxPieces {
		us = append(us, Update{Job: j.ID, Reply: output(j, "stderr", int64(2*i), "x")})
	}
	s.apply(t, us...)
	if n := s.rows(t); n != 1+maxPieces {
		t.Errorf("%d rows, want %d", n, 1+maxPieces)
	}
	if got := s.job(t, j).Stderr.Kept; got != maxPieces {
		t.Errorf("%d bytes are said to be kept", got)
	}
	if got := s.counters(t).Refused; got != maxPieces {
		t.Errorf("%d bytes are said to be refused", got)
	}
}
