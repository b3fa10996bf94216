package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a new file.
func open(t *testing.T) (*Writer, *Reader) {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	w, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), w.Close()); err != nil {
			t.Error(err)
		}
	})
	return w, r
}

// The search for one of very many tasks does not read them all.
func TestFindReadsOneTask(t *testing.T) {
	_, r := open(t)
	var plan []string
	err := r.query(t.Context(), "EXPLAIN QUERY PLAN "+selectTasks(withPrefix), func(c *columns) error {
		c.next = 3
		plan = append(plan, c.text())
		return nil
	}, "a", "ag")
	if text := strings.Join(plan, "\n"); err != nil || len(plan) == 0 || strings.Contains(text, "SCAN") {
		t.Errorf("the plan is\n%s\n%v", text, err)
	}
}

func TestColumns(t *testing.T) {
	w, _ := open(t)
	id := uuid.New()
	for range 2 {
		n := 0
		err := query(w.conn, "SELECT ?, ?, ?, ?, ?, ?, ?", func(c *columns) error {
			n++
			buffer := make([]byte, 1)
			if a, b, ok, text := c.int64(), c.int(), c.bool(), c.text(); a != 1<<40 || b != 7 || !ok || text != "é" {
				t.Error(a, b, ok, text)
			}
			if blob, none := c.bytes(buffer), c.bytes(nil); string(blob) != "\x00\xff" || len(none) != 0 {
				t.Error(blob, none)
			}
			if got, err := c.uuid(); got != id || err != nil {
				t.Error(got, err)
			}
			return nil
		}, int64(1)<<40, 7, true, "é", []byte("\x00\xff"), []byte(nil), id[:])
		if err != nil || n != 1 {
			t.Error(n, err)
		}
	}
	err := query(w.conn, "SELECT x'00'", func(c *columns) error { _, err := c.uuid(); return err })
	if err == nil {
		t.Error("one byte is an id")
	}
}

func TestRow(t *testing.T) {
	w, _ := open(t)
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT i FROM n"
	for limit, want := range map[int]int64{0: 0, 1: 1, 3: 1} {
		if got, err := number(w.conn, numbers, limit); got != want || err != nil {
			t.Errorf("of %d numbers: %d, %v", limit, got, err)
		}
		if found, err := row(w.conn, numbers, func(*columns) {}, limit); found != (limit > 0) || err != nil {
			t.Errorf("of %d rows: %v, %v", limit, found, err)
		}
	}
	broken := errors.New("broken")
	if err := query(w.conn, numbers, func(*columns) error { return broken }, 3); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A transaction that fails leaves nothing behind, and the next one succeeds.
func TestDoRollsBack(t *testing.T) {
	w, r := open(t)
	broken := errors.New("broken")
	err := w.Do(func(tx *Tx) error {
		if err := tx.AddHost("web01"); err != nil {
			t.Error(err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := w.Do(func(tx *Tx) error { return tx.AddHost("web02") }); err != nil {
		t.Error(err)
	}
	if hosts, err := r.Hosts(t.Context()); err != nil || fmt.Sprint(hosts) != "[web02]" {
		t.Error(hosts, err)
	}
}

// addJob stores a task of one job with some rows of output.
func addJob(t *testing.T, w *Writer, rows int) (task, job string) {
	t.Helper()
	id := uuid.New()
	task = uuid.NewString()
	err := w.Do(func(tx *Tx) error {
		_, first, err := tx.AddTask(&model.Task{ID: task, Hosts: 1}, []model.Job{{Host: "web01"}}, []uuid.UUID{id})
		for i := range rows {
			err = errors.Join(err, execute(tx.conn, "INSERT INTO output (job, stream, offset, data) VALUES (?,0,?,x'61')", first, i))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return task, id.String()
}

// Close does not wait for a reader that is stuck. Its connection is closed when it goes on.
func TestCloseDoesNotWaitForStuckReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	w, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	task, _ := addJob(t, w, 2)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range r.Outputs(t.Context(), task) {
		if err != nil {
			t.Error(err)
		}
		if n++; n == 1 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d pieces", n)
	}
	if _, err := r.Hosts(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a connection is still open: %v", err)
	}
}

// More readers than connections wait for each other, and end with their context.
func TestReadersWaitForConnections(t *testing.T) {
	w, r := open(t)
	task, _ := addJob(t, w, 1)
	var nested func(depth int)
	nested = func(depth int) {
		if depth == 0 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := r.Hosts(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("without a free connection: %v", err)
			}
			return
		}
		for range r.Outputs(t.Context(), task) {
			nested(depth - 1)
		}
	}
	nested(readConns)
	if _, err := r.Hosts(t.Context()); err != nil {
		t.Error(err)
	}
}

// A reader whose context ends gets the context's error, also in the middle of a query, and
// the connection is of use to the next one.
func TestReaderEndsWithContext(t *testing.T) {
	w, r := open(t)
	task, job := addJob(t, w, 100)
	for range 2 * readConns {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var last error
		for _, err := range r.Output(ctx, job, wire.Stdout, 0) {
			if n++; n == 10 {
				cancel()
			}
			last = err
		}
		cancel()
		if !errors.Is(last, context.Canceled) || n > 11 {
			t.Fatalf("after %d segments: %v", n, last)
		}
		stopped, stop := context.WithCancel(t.Context())
		for range r.Output(stopped, job, wire.Stdout, 0) {
			stop()
			break // the range must not go on with the error
		}
		stop()
		if _, err := r.Jobs(ctx, task); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
	for range 2 * readConns {
		n := 0
		for _, err := range r.Outputs(t.Context(), task) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 100 {
			t.Errorf("%d pieces", n)
		}
	}
}
