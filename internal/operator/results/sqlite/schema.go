package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite/sqlitex"

	"warren/internal/hint"
)

// schemaVersion is the PRAGMA user_version of a database with this schema.
const schemaVersion = 1

// The jobs of a task are rows first_job … first_job+hosts-1, in host order. State, wait
// and stream are numbers (model.State.Rank, model.Wait, merge.StreamIndex); times are
// milliseconds since 1970, or 0; ids of jobs are 16 bytes. A job's issued and not_after
// are 0 if they are its task's.
//
// Rows of output never overlap. The columns out_… and err_… are the merge.Account of a
// stream. Table counts has a task's jobs by kind, and follows table jobs within each
// transaction. A task's rev grows with each transaction that changes its jobs, and these
// jobs get the same rev: a reader that follows a task reads only what is newer.
//
// The standard output of a job whose task has archives is not in table output but in a file
// (package archive), and table archives has which parts of it are there.
//
// Rollout, script and stdin are JSON, or "". Table deleted_jobs has the jobs of deleted tasks, whose rows and
// output are removed step by step. Table upkeep has the time of the last upkeep.
const schema = `
CREATE TABLE tasks (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	id          TEXT NOT NULL UNIQUE,
	command     TEXT NOT NULL,
	operator    TEXT NOT NULL,
	key         TEXT NOT NULL DEFAULT '',
	created     INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	timeout     INTEGER NOT NULL,
	max_output  INTEGER NOT NULL,
	archives    INTEGER NOT NULL DEFAULT 0,
	hosts       INTEGER NOT NULL,
	first_job   INTEGER NOT NULL,
	driver      TEXT NOT NULL,
	cancel      INTEGER NOT NULL DEFAULT 0,
	pause       INTEGER NOT NULL DEFAULT 0,
	rev         INTEGER NOT NULL DEFAULT 0,
	when_online INTEGER NOT NULL DEFAULT 0,
	fanout      INTEGER NOT NULL DEFAULT 0,
	retry_of    TEXT NOT NULL DEFAULT '',
	verify_of   TEXT NOT NULL DEFAULT '',
	rollout     TEXT NOT NULL DEFAULT '',
	script      TEXT NOT NULL DEFAULT '',
	stdin       TEXT NOT NULL DEFAULT ''
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
	out_begin    INTEGER NOT NULL DEFAULT 0,
	out_pieces   INTEGER NOT NULL DEFAULT 0,
	out_tail     INTEGER NOT NULL DEFAULT 0,
	out_gone     INTEGER NOT NULL DEFAULT 0,
	out_sum      BLOB NOT NULL DEFAULT x'',
	err_size     INTEGER NOT NULL DEFAULT -1,
	err_dropped  INTEGER NOT NULL DEFAULT 0,
	err_kept     INTEGER NOT NULL DEFAULT 0,
	err_end      INTEGER NOT NULL DEFAULT 0,
	err_begin    INTEGER NOT NULL DEFAULT 0,
	err_pieces   INTEGER NOT NULL DEFAULT 0,
	err_tail     INTEGER NOT NULL DEFAULT 0,
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
CREATE TABLE archives (
	job    INTEGER NOT NULL,
	offset INTEGER NOT NULL,
	size   INTEGER NOT NULL,
	PRIMARY KEY (job, offset)
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

func (w *Writer) prepareSchema() error {
	version, err := number(w.conn, "PRAGMA user_version")
	if err != nil {
		return err
	}
	tables, err := number(w.conn, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case version > schemaVersion:
		return hint.Errorf("use the newer warren, or another directory with WARREN_DATA_DIR",
			"result store %s was made by a newer warren (schema %d, this one knows %d)", w.path, version, schemaVersion)
	case version == 0 && tables > 0:
		return hint.Errorf("choose another directory with WARREN_DATA_DIR", "%s is not a result store of warren, but another program's database", w.path)
	case version == 0: // must come before the first table: pages can be released in small steps
		if err := execute(w.conn, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	if err := w.setWAL(); err != nil || version == schemaVersion {
		return err
	}
	return w.Do(func(*Tx) error {
		return sqlitex.ExecuteScript(w.conn, schema+fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion), nil)
	})
}

func (w *Writer) setWAL() error {
	mode := ""
	err := query(w.conn, "PRAGMA journal_mode = WAL", func(c *columns) error {
		mode = c.text()
		return nil
	})
	if err == nil && mode != "wal" {
		return hint.Errorf("choose another directory with WARREN_DATA_DIR", "result store %s: its file system does not support a write-ahead log", w.path)
	}
	return err
}
