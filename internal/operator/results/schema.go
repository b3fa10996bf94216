package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"warren/internal/hint"
)

const (
	fileName = "results.db"

	// busyTimeout is how long a transaction waits for those of other processes,
	// each of which lasts well below a second.
	busyTimeout = 10 * time.Second

	// walLimit is what a write-ahead log that a long reader has made grow is cut
	// back to.
	walLimit = 64 << 20
)

// schemaVersion is what PRAGMA user_version says of a database with this schema.
const schemaVersion = 1

// The jobs of a task are rows first_job … first_job+hosts-1, in host order.
// State, wait and stream are numbers (model.State.Rank, model.Wait, streamIndex),
// times milliseconds since 1970 or 0, ids of jobs 16 bytes. A job's issued and
// not_after are 0 where they are its task's. Rows of output never overlap. Table
// counts follows table jobs within each transaction: a task's jobs by kind. A
// task's rev grows with each transaction that changes its jobs, and these get it
// too: a follower of a task reads only what is newer than what it has seen.
// out_sum and err_sum are the contentHash of a stream that is whole, empty where
// nothing is stored of it. Rollout is JSON, "" for none. Table deleted_jobs names
// the jobs of deleted tasks: their rows and output go bit by bit. Table upkeep has
// the time of the last look for what is to be deleted.
const schema = `
CREATE TABLE tasks (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	id          TEXT NOT NULL UNIQUE,
	command     TEXT NOT NULL,
	operator    TEXT NOT NULL,
	created     INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	timeout     INTEGER NOT NULL,
	max_output  INTEGER NOT NULL,
	hosts       INTEGER NOT NULL,
	first_job   INTEGER NOT NULL,
	driver      TEXT NOT NULL,
	cancel      INTEGER NOT NULL DEFAULT 0,
	rev         INTEGER NOT NULL DEFAULT 0,
	when_online INTEGER NOT NULL DEFAULT 0,
	fanout      INTEGER NOT NULL DEFAULT 0,
	retry_of    TEXT NOT NULL DEFAULT '',
	rollout     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE statements (
	task INTEGER PRIMARY KEY,
	text TEXT NOT NULL
) STRICT;
CREATE TABLE jobs (
	seq          INTEGER PRIMARY KEY,
	id           BLOB NOT NULL UNIQUE,
	task         INTEGER NOT NULL,
	host         TEXT NOT NULL,
	digest       BLOB NOT NULL,
	issued       INTEGER NOT NULL DEFAULT 0,
	not_after    INTEGER NOT NULL DEFAULT 0,
	rev          INTEGER NOT NULL DEFAULT 0,
	state        INTEGER NOT NULL DEFAULT 0,
	wait         INTEGER NOT NULL DEFAULT 0,
	agent        TEXT NOT NULL DEFAULT '',
	outcome      TEXT NOT NULL DEFAULT '',
	exit_code    INTEGER NOT NULL DEFAULT 0,
	signal       TEXT NOT NULL DEFAULT '',
	reason       TEXT NOT NULL DEFAULT '',
	accepted     INTEGER NOT NULL DEFAULT 0,
	started      INTEGER NOT NULL DEFAULT 0,
	finished     INTEGER NOT NULL DEFAULT 0,
	killed       INTEGER NOT NULL DEFAULT 0,
	left_running INTEGER NOT NULL DEFAULT 0,
	code_page    INTEGER NOT NULL DEFAULT 0,
	out_size     INTEGER NOT NULL DEFAULT -1,
	out_dropped  INTEGER NOT NULL DEFAULT 0,
	out_kept     INTEGER NOT NULL DEFAULT 0,
	out_end      INTEGER NOT NULL DEFAULT 0,
	out_gone     INTEGER NOT NULL DEFAULT 0,
	out_sum      BLOB NOT NULL DEFAULT x'',
	err_size     INTEGER NOT NULL DEFAULT -1,
	err_dropped  INTEGER NOT NULL DEFAULT 0,
	err_kept     INTEGER NOT NULL DEFAULT 0,
	err_end      INTEGER NOT NULL DEFAULT 0,
	err_gone     INTEGER NOT NULL DEFAULT 0,
	err_sum      BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE TABLE counts (
	task INTEGER NOT NULL,
	kind TEXT NOT NULL,
	n    INTEGER NOT NULL,
	PRIMARY KEY (task, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE output (
	job    INTEGER NOT NULL,
	stream INTEGER NOT NULL,
	offset INTEGER NOT NULL,
	data   BLOB NOT NULL,
	PRIMARY KEY (job, stream, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE agents (
	id    TEXT PRIMARY KEY,
	hello TEXT NOT NULL,
	seen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_seen ON agents (seen);
CREATE TABLE hosts (
	name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_jobs (
	first_job INTEGER PRIMARY KEY,
	last_job  INTEGER NOT NULL
) STRICT;
CREATE TABLE upkeep (
	last INTEGER NOT NULL
) STRICT;
INSERT INTO upkeep (last) VALUES (0);
`

// dsn names the database with pragmas that each of its connections is to have.
func dsn(path string, options ...string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole // a URI has no place for a relative one
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…: https://sqlite.org/uri.html
	}
	u := url.URL{Scheme: "file", Path: path}
	options = append(options, fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()))
	return u.String() + "?" + strings.Join(options, "&")
}

// openWriter opens the one connection that writes, and makes the schema where
// the database is new. The caller holds the lock of all that open.
func openWriter(ctx context.Context, path string) (*sql.DB, *sql.Conn, error) {
	if err := create(path); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", dsn(path,
		// In WAL mode NORMAL syncs at checkpoints, not at each commit. A power
		// loss may so undo the last commits, but never damages the file, and the
		// agents still have those results: status brings them back. A killed
		// process loses nothing.
		"_pragma=synchronous(NORMAL)",
		fmt.Sprintf("_pragma=journal_size_limit(%d)", walLimit),
	))
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	if err := prepareSchema(ctx, conn, path); err != nil {
		return nil, nil, errors.Join(err, conn.Close(), db.Close())
	}
	return db, conn, nil
}

// create makes an empty file that is the owner's alone; SQLite gives its mode
// to the -wal and -shm files as well. One that exists is not opened: closing it
// again would drop the locks that SQLite holds on it for another Store of this
// process (fcntl(2)).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return hint.Errorf("mend the owner and mode of the directory", "result store: %w", err)
	}
	return f.Close()
}

func prepareSchema(ctx context.Context, conn *sql.Conn, path string) error {
	var version, tables int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case version > schemaVersion:
		return hint.Errorf("use the newer warren, or another directory with WARREN_DATA_DIR",
			"result store %s was made by a newer warren (schema %d, this one knows %d)", path, version, schemaVersion)
	case version == 0 && tables > 0:
		return hint.Errorf("choose another directory with WARREN_DATA_DIR", "%s is not a result store of warren, but another program's database", path)
	case version == 0: // so that room can be given back to the disk in small bits
		if _, err := conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	if err := setWAL(ctx, conn, path); err != nil || version == schemaVersion {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT", schema, schemaVersion))
	if err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // fails where BEGIN did
	}
	return err
}

func setWAL(ctx context.Context, conn *sql.Conn, path string) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return hint.Errorf("choose another directory with WARREN_DATA_DIR", "result store %s: its file system does not carry a write-ahead log", path)
	}
	return nil
}

// readConns is how many readers look at the same time; more wait.
const readConns = 4

// openReader opens the handle of all readers, and the first of its connections.
// They see the last commit and never wait for the writer.
func openReader(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "mode=ro", "_pragma=query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readConns)
	db.SetMaxIdleConns(readConns)
	// A connection reads the schema with the first table that is named.
	if _, err := db.ExecContext(ctx, "SELECT 0 FROM tasks WHERE 0"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
