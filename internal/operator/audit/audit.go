// Package audit writes the operator's two audit logs: each command sent, and
// each result viewed. It owns the files execute_command.log and
// view_command.log of the data directory, and their rotation; several
// processes append to them at the same time, and so may several goroutines
// through one Log. A Log starts nothing and keeps no file open: a record is in
// the file when the method returns.
package audit

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"warren/internal/escape"
	"warren/internal/hint"
	"warren/internal/operator/model"
)

// The log files' names in the data directory. Older records are in NAME.1 (the
// newest of them) to NAME.5.
const (
	ExecuteLog = "execute_command.log"
	ViewLog    = "view_command.log"
)

// A Log writes both logs for one operator. A line is a JSON object with members
// time, operator, task, command and hosts. Members that may be missing are script and
// stdin, which describe what the task has sent with its command (model.Content), and
// key, the fingerprint of the operator's SSH key.
type Log struct{ executed, viewed slog.Handler }

// Open returns the logs in directory dir, for records by operator. It returns an error if a
// log cannot be written: a command that cannot be recorded must not be sent.
func Open(dir, operator string) (*Log, error) {
	open := func(name string) (slog.Handler, error) {
		f := &file{path: filepath.Join(dir, name), lock: filepath.Join(dir, "audit.lock"), max: maxSize, keep: keepFiles}
		if err := f.checkWritable(); err != nil {
			return nil, hint.Errorf("repair the file or its directory, or choose another with WARREN_DATA_DIR",
				"audit log: %w", err)
		}
		return handler(f, operator), nil
	}
	executed, err := open(ExecuteLog)
	if err != nil {
		return nil, err
	}
	viewed, err := open(ViewLog)
	if err != nil {
		return nil, err
	}
	return &Log{executed, viewed}, nil
}

// handler writes each record as one line, by one Write.
func handler(f *file, operator string) slog.Handler {
	h := slog.NewJSONHandler(escape.JSONWriter(f), &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{} // the file's name says what happened
			}
			return a
		},
	})
	return h.WithAttrs([]slog.Attr{slog.String("operator", operator)})
}

// Executed records that task is sent to hosts, signed with the key of that fingerprint;
// "" is unsigned.
func (l *Log) Executed(task *model.Task, key string, hosts []string) error {
	return write(l.executed, task, key, hosts)
}

// Viewed records that the operator, who has that key, has seen the results of task on
// hosts.
func (l *Log) Viewed(task *model.Task, key string, hosts []string) error {
	return write(l.viewed, task, key, hosts)
}

// Close ends the use of l. It has nothing to wait for.
func (l *Log) Close() error { return nil }

// write calls the handler itself, since a slog.Logger swallows its error.
func write(h slog.Handler, task *model.Task, key string, hosts []string) error {
	if hosts == nil {
		hosts = []string{} // an array, not null
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "", 0)
	r.AddAttrs(slog.String("task", task.ID), slog.String("command", task.Command))
	if task.Script != nil {
		r.AddAttrs(slog.Any("script", task.Script))
	}
	if task.Stdin != nil {
		r.AddAttrs(slog.Any("stdin", task.Stdin))
	}
	r.AddAttrs(slog.Any("hosts", hosts))
	if key != "" {
		r.AddAttrs(slog.String("key", key))
	}
	if err := h.Handle(context.Background(), r); err != nil {
		return hint.Errorf(remedy(err), "audit log: %w", err)
	}
	return nil
}

// remedy returns the hint for a log that cannot be written.
func remedy(err error) string {
	if os.IsPermission(err) {
		return "mend the owner and mode of the file and its directory"
	}
	return "make room on the disk of the data directory, or mend its owner and mode"
}
