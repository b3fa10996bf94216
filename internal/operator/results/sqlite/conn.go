package sqlite

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// busyTimeout is how long a transaction waits for those of other processes, each of which
// lasts well below a second.
const busyTimeout = 10 * time.Second

// execute carries out one statement. The connection keeps it prepared.
func execute(c *sqlite.Conn, text string, args ...any) error {
	return sqlitex.Execute(c, text, &sqlitex.ExecOptions{Args: args})
}

// query calls each with every row of a statement. The connection keeps it prepared.
//
// Frequent statements with ORDER BY compare columns with +? instead of ?. Otherwise SQLite
// plans them again for each new value, which takes longer than to carry them out.
func query(c *sqlite.Conn, text string, each func(*columns) error, args ...any) error {
	var cols columns
	return sqlitex.Execute(c, text, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error {
		cols = columns{stmt: s}
		return each(&cols)
	}})
}

// row calls scan with the first row of a statement, and reports whether there is one.
func row(c *sqlite.Conn, text string, scan func(*columns), args ...any) (found bool, err error) {
	err = query(c, text, func(cols *columns) error {
		if !found {
			found = true
			scan(cols)
		}
		return nil
	}, args...)
	return found, err
}

// number returns the first column of the first row of a statement, 0 if there is no row.
func number(c *sqlite.Conn, text string, args ...any) (n int64, err error) {
	_, err = row(c, text, func(cols *columns) { n = cols.int64() }, args...)
	return n, err
}

// columns reads the columns of a row from left to right. Their types are those of the
// schema, which is STRICT.
type columns struct {
	stmt *sqlite.Stmt
	next int
}

func (c *columns) column() int {
	c.next++
	return c.next - 1
}

func (c *columns) int64() int64 { return c.stmt.ColumnInt64(c.column()) }
func (c *columns) int() int     { return c.stmt.ColumnInt(c.column()) }
func (c *columns) bool() bool   { return c.stmt.ColumnBool(c.column()) }
func (c *columns) text() string { return c.stmt.ColumnText(c.column()) }

// bytes reads a blob into the buffer, which grows as needed.
func (c *columns) bytes(buffer []byte) []byte {
	n := c.column()
	size := c.stmt.ColumnLen(n)
	if cap(buffer) < size {
		buffer = make([]byte, size)
	}
	return buffer[:c.stmt.ColumnBytes(n, buffer[:size])]
}

func (c *columns) uuid() (id uuid.UUID, err error) {
	n := c.column()
	if size := c.stmt.ColumnLen(n); size != len(id) {
		return id, fmt.Errorf("an id has %d bytes", size)
	}
	c.stmt.ColumnBytes(n, id[:])
	return id, nil
}
