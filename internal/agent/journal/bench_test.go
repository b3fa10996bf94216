package journal

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// recordBytes is about what a begun record takes: ids, times, a command.
const recordBytes = 400

// An appender is the log, or what it is measured against.
type appender func(ctx context.Context, record []byte) error

func benchLog(b *testing.B) appender {
	l := start(b, b.TempDir(), Options{})
	return func(ctx context.Context, record []byte) error {
		answer, err := l.Append(ctx, [][]byte{record}, Sync)
		if err != nil {
			return err
		}
		return (<-answer).Err
	}
}

// benchSQLite commits each record by itself.
func benchSQLite(b *testing.B) appender {
	stmt := sqlite(b)
	return func(ctx context.Context, record []byte) error {
		_, err := stmt.ExecContext(ctx, record)
		return err
	}
}

// benchSQLiteGroup has one goroutine commit all that waits at once, as the log
// does.
func benchSQLiteGroup(b *testing.B) appender {
	type waiting struct {
		record []byte
		answer chan error
	}
	stmt := sqlite(b)
	inbox := make(chan waiting, inboxSize)
	ended := make(chan struct{})
	commit := func(group []waiting) error {
		if _, err := stmt.Exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		for _, w := range group {
			if _, err := stmt.Exec(w.record); err != nil {
				return err
			}
		}
		_, err := stmt.Exec("COMMIT")
		return err
	}
	go func() {
		defer close(ended)
		for w := range inbox {
			group := []waiting{w}
			for more := true; more; {
				select {
				case w, more = <-inbox:
					if more {
						group = append(group, w)
					}
				default:
					more = false
				}
			}
			err := commit(group)
			for _, w := range group {
				w.answer <- err
			}
		}
	}()
	b.Cleanup(func() { close(inbox); <-ended })
	return func(_ context.Context, record []byte) error {
		w := waiting{record, make(chan error, 1)}
		inbox <- w
		return <-w.answer
	}
}

// A sqliteConn executes text as a statement, and bytes as a record.
type sqliteConn struct {
	conn   *sql.Conn
	insert *sql.Stmt
}

func (c sqliteConn) ExecContext(ctx context.Context, what any) (sql.Result, error) {
	if text, ok := what.(string); ok {
		return c.conn.ExecContext(ctx, text)
	}
	return c.insert.ExecContext(ctx, what)
}

func (c sqliteConn) Exec(what any) (sql.Result, error) {
	return c.ExecContext(context.Background(), what)
}

func sqlite(b *testing.B) sqliteConn {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "journal.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(); db.Close() })
	c := sqliteConn{conn: conn}
	if _, err := c.Exec("CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	if c.insert, err = conn.PrepareContext(context.Background(), "INSERT INTO records (data) VALUES (?)"); err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkAppendSync is one record of 400 bytes until it is on the disk: alone,
// and by 100 who each wait for their own.
func BenchmarkAppendSync(b *testing.B) {
	for _, store := range []struct {
		name string
		open func(*testing.B) appender
	}{{"log", benchLog}, {"sqlite", benchSQLite}, {"sqlite-grouped", benchSQLiteGroup}} {
		for _, senders := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", store.name, senders), func(b *testing.B) {
				add := store.open(b)
				record := []byte(strings.Repeat("r", recordBytes))
				idle := residentKiB(b)
				if senders == 1 {
					for b.Loop() {
						if err := add(b.Context(), record); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					concurrently(b, senders, func() error { return add(b.Context(), record) })
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(residentKiB(b)-idle), "KiB-more")
			})
		}
	}
}

func concurrently(b *testing.B, senders int, do func() error) {
	work := make(chan struct{})
	errs := make(chan error, senders)
	b.ResetTimer()
	for range senders {
		go func() {
			for range work {
				if err := do(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range senders {
		if err := <-errs; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
}

// residentKiB is the process's resident set; zero where /proc does not tell.
func residentKiB(b *testing.B) int {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n
}

// BenchmarkSync is the write and sync alone, of a file that grows with each
// append, one whose room is allocated ahead, and one that was filled with zeros.
func BenchmarkSync(b *testing.B) {
	for _, kind := range []string{"growing", "allocated", "zeros"} {
		b.Run(kind, func(b *testing.B) {
			d := osDir(b.TempDir())
			f, err := d.Create("x")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			record := make([]byte, recordBytes)
			room := int64(0)
			for at := int64(0); b.Loop(); at += recordBytes {
				if at+recordBytes > room && kind != "growing" {
					allocate := f.Allocate
					if kind == "zeros" {
						allocate = func(from, to int64) error { return writeZeros(f, from, to) }
					}
					if err := allocate(room, room+defaultAhead); err != nil {
						b.Fatal(err)
					}
					room += defaultAhead
				}
				if _, err := f.WriteAt(record, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReplay opens a log of 100,000 records.
func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	l := start(b, dir, Options{})
	records := make([][]byte, 1000)
	for i := range records {
		records[i] = make([]byte, recordBytes)
	}
	for range 100 {
		answer, err := l.Append(b.Context(), records, 0)
		if err != nil {
			b.Fatal(err)
		}
		<-answer
	}
	if err := l.end(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := Open(dir, Options{}, ignore)
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

// BenchmarkAppend is one record that need not be on the disk at once.
func BenchmarkAppend(b *testing.B) {
	l := start(b, b.TempDir(), Options{})
	records := [][]byte{make([]byte, recordBytes)}
	b.ReportAllocs()
	for b.Loop() {
		answer, err := l.Append(b.Context(), records, 0)
		if err != nil {
			b.Fatal(err)
		}
		if a := <-answer; a.Err != nil {
			b.Fatal(a.Err)
		}
	}
}
