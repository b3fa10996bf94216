package results

import (
	"database/sql"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// withConn calls f with a store's writing connection, of which no actor runs.
func withConn(t *testing.T, f func(c driverConn)) {
	t.Helper()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.conn.Raw(func(c any) error {
		f(c.(driverConn))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Statements are prepared when they are first used, some of them seldom.
func TestEveryStatementCanBePrepared(t *testing.T) {
	withConn(t, func(c driverConn) {
		tx := newTxer(c)
		defer tx.close()
		for _, s := range tx.all {
			if err := s.ready(nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestStatementsGiveWhatTheyTake(t *testing.T) {
	withConn(t, func(c driverConn) {
		id := uuid.New()
		var (
			n    int64
			i    int
			b    bool
			text string
			blob []byte
			sum  string
			got  uuid.UUID
			none = []byte{1}
		)
		s := conn{c}.stmt("SELECT ?, ?, ?, ?, ?, ?, ?, ?")
		defer s.close()
		for range 2 {
			err := s.row([]any{&n, &i, &b, &text, &blob, &sum, &got, &none},
				int64(1)<<40, 7, true, "é", []byte("\x00\xff"), []byte("\xff"), id[:], []byte{})
			if err != nil || n != 1<<40 || i != 7 || !b || text != "é" || string(blob) != "\x00\xff" || sum != "\xff" || got != id || len(none) != 0 {
				t.Error(n, i, b, text, blob, sum, got, none, err)
			}
		}
		for _, wrong := range [][]any{{&n}, {&got}, {&n, &n}, {&struct{}{}}} {
			if err := (conn{c}).row(wrong, "SELECT 'text'"); err == nil {
				t.Errorf("a text went into %T", wrong[0])
			}
		}
		if err := (conn{c}).row([]any{&got}, "SELECT x'00'"); err == nil {
			t.Error("one byte is an id")
		}
	})
}

func TestRowsOfAStatement(t *testing.T) {
	withConn(t, func(c driverConn) {
		var n int
		s := conn{c}.stmt("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT i FROM n")
		defer s.close()
		var all []int
		err := s.each([]any{&n}, func() error { all = append(all, n); return nil }, 3)
		if err != nil || !slices.Equal(all, []int{1, 2, 3}) {
			t.Error(all, err)
		}
		broken := errors.New("broken")
		if err := s.each([]any{&n}, func() error { return broken }, 3); !errors.Is(err, broken) {
			t.Error(err)
		}
		if err := s.each([]any{&n}, func() error { return io.EOF }, 3); err != nil || n != 1 {
			t.Error(n, err)
		}
		if err := s.row([]any{&n}, 0); !errors.Is(err, sql.ErrNoRows) {
			t.Error(err)
		}
		if _, err := (conn{c}).exec("SELECT no such thing"); err == nil || !strings.Contains(err.Error(), `in "SELECT no such thing"`) {
			t.Error(err)
		}
	})
}
