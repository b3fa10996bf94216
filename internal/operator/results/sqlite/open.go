// Package sqlite is the SQL of the operator's result store: its schema, its transactions
// and its queries, in one SQLite file that several processes share.
//
// A Writer has the one connection of this process that writes. It belongs to one
// goroutine, the store's actor. A Reader has a few connections that any goroutine may
// use; they see the last commit and never wait for a writer.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"warren/internal/hint"
	"warren/internal/operator/results/archive"
)

// FileName is the name of the database in its directory.
const FileName = "results.db"

// walLimit is the size to which a write-ahead log is cut back that a long reader has made
// grow.
const walLimit = 64 << 20

// OpenWriter opens the connection that writes, and creates the file and its schema if
// necessary. The caller keeps other processes from opening the file at the same time.
func OpenWriter(path string) (*Writer, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	w := &Writer{conn: conn, path: path}
	if err := w.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

// create makes an empty file that only its owner may read. SQLite gives the same mode to
// the -wal and -shm files. An existing file is not opened: to close it again would drop
// the locks that SQLite holds on it for another Store of this process (fcntl(2)).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return hint.Errorf("correct the owner and mode of the directory", "result store: %w", err)
	}
	return f.Close()
}

// prepare sets the connection up.
func (w *Writer) prepare() error {
	for _, text := range []string{
		// In WAL mode NORMAL syncs at checkpoints, not at each commit. A power loss may
		// undo the last commits, but never damages the file, and the agents still have
		// those results: status brings them back. New tasks and rollouts are synced. A
		// killed process loses nothing.
		"PRAGMA synchronous = NORMAL",
		fmt.Sprintf("PRAGMA journal_size_limit = %d", walLimit),
	} {
		if err := execute(w.conn, text); err != nil {
			return err
		}
	}
	return w.prepareSchema()
}

// OpenReader opens an existing file for reading.
func OpenReader(path string) (*Reader, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{newPool(path), archive.Dir(filepath.Join(filepath.Dir(path), archive.DirName))}
	conn, err := r.pool.take(context.Background())
	if err != nil {
		return nil, Explain(path, err)
	}
	r.pool.put(conn)
	return r, nil
}
