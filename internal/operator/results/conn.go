package results

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// A conn is the one writing connection, as its driver gives it: what database/sql
// does beyond that for each call (locks, copies of arguments, conversions by
// reflection) costs about as much as a small statement itself. No call ends before
// it is done: a transaction is short.
type conn struct{ driver driverConn }

type driverConn = driver.ConnPrepareContext

// stmt returns a statement that is prepared when it is first used: a process that
// runs one command needs few.
func (c conn) stmt(text string) *stmt { return &stmt{conn: c, text: text} }

// exec carries a statement out that is seldom needed.
func (c conn) exec(text string, args ...any) (changed int64, err error) {
	s := c.stmt(text)
	defer s.close()
	return s.exec(args...)
}

// row reads the first row of a query that is seldom needed.
func (c conn) row(dest []any, text string, args ...any) error {
	s := c.stmt(text)
	defer s.close()
	return s.row(dest, args...)
}

// A stmt is a statement of the writing connection. Its arguments are numbers,
// texts, bytes and truth values.
type stmt struct {
	conn   conn
	text   string
	driver driverStmt // nil: not prepared yet
	args   []driver.NamedValue
	values []driver.Value // of a row
}

type driverStmt interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

// exec returns how many rows it has changed.
func (s *stmt) exec(args ...any) (changed int64, err error) {
	res, err := s.result(args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// insert returns the key of the row.
func (s *stmt) insert(args ...any) (row int64, err error) {
	res, err := s.result(args)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func (s *stmt) result(args []any) (driver.Result, error) {
	if err := s.ready(args); err != nil {
		return nil, err
	}
	return s.driver.ExecContext(context.Background(), s.args)
}

// row reads the first row into dest. Its error is sql.ErrNoRows where there is
// none.
func (s *stmt) row(dest []any, args ...any) error {
	found := false
	err := s.each(dest, func() error {
		found = true
		return io.EOF
	}, args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// each reads one row after the other into dest and calls f, until that returns an
// error; io.EOF is none.
func (s *stmt) each(dest []any, f func() error, args ...any) (err error) {
	if err := s.ready(args); err != nil {
		return err
	}
	rows, err := s.driver.QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.values == nil {
		s.values = make([]driver.Value, len(rows.Columns()))
	}
	for err == nil {
		if err = rows.Next(s.values); err == nil {
			if err = scan(dest, s.values); err == nil {
				err = f()
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// prepare does so, once.
func (s *stmt) prepare() error {
	if s.driver != nil {
		return nil
	}
	d, err := s.conn.driver.PrepareContext(context.Background(), s.text)
	if err != nil {
		return fmt.Errorf("%w in %q", err, s.text)
	}
	s.driver = d.(driverStmt)
	return nil
}

// ready prepares the statement, and its arguments.
func (s *stmt) ready(args []any) error {
	if err := s.prepare(); err != nil {
		return err
	}
	if s.args == nil {
		s.args = make([]driver.NamedValue, len(args))
	}
	for i, a := range args {
		if n, ok := a.(int); ok {
			a = int64(n)
		}
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nil
}

// close frees it; it can be used again.
func (s *stmt) close() {
	if s.driver != nil {
		_ = s.driver.(driver.Stmt).Close() // it ends with the connection at the latest
		s.driver = nil
	}
}

// scan converts the values of a row.
func scan(dest []any, values []driver.Value) error {
	if len(dest) != len(values) {
		return fmt.Errorf("%d columns for %d members", len(values), len(dest))
	}
	for i, v := range values {
		ok := false
		switch d := dest[i].(type) {
		case *int64:
			*d, ok = v.(int64)
		case *int:
			var n int64
			n, ok = v.(int64)
			*d = int(n)
		case *uint8:
			var n int64
			n, ok = v.(int64)
			*d = uint8(n)
		case *bool:
			var n int64
			n, ok = v.(int64)
			*d = n != 0
		case *string:
			var b []byte
			if *d, ok = v.(string); !ok {
				b, ok = v.([]byte)
				*d = string(b)
			}
		case *[]byte:
			*d, ok = v.([]byte)
		case *uuid.UUID:
			var b []byte
			if b, ok = v.([]byte); ok {
				ok = len(b) == len(d)
				copy(d[:], b)
			}
		}
		if !ok {
			return fmt.Errorf("column %d of a row is %T, which is no %T", i, v, dest[i])
		}
	}
	return nil
}
