// Package collected shows what hosts have sent of a collect, and saves the files.
package collected

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"

	"warren/internal/files"
	"warren/internal/files/collect"
	"warren/internal/operator/filesave"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// A Store is what this package reads of the result store.
type Store interface {
	Statement(ctx context.Context, task string) (string, error)
	Jobs(ctx context.Context, task string) ([]model.Job, error)
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error]
}

// Apply makes the view of a task one of a collect, if the task is one: then v.Collect
// reads the archive of a host, and saves its files in v.Save.
func Apply(ctx context.Context, store Store, v *result.View, task *model.Task) error {
	if v.Collect != nil || v.Raw {
		return nil
	}
	c, err := Of(ctx, store, task)
	if c == nil || err != nil {
		return err
	}
	if v.Save != "" {
		if err := Prepare(v.Save); err != nil {
			return err
		}
	}
	r := &reader{store: store, task: task.ID, save: v.Save, limit: c.MaxSize, known: map[string]*record{}, catalog: newCatalog(), sizes: map[string]int64{}}
	if v.Diff {
		r.texts = newTexts()
	}
	v.Collect, v.Streams = r, []string{wire.Stderr}
	return nil
}

// Of returns the collect of a task; nil: the task is another one.
func Of(ctx context.Context, store Store, task *model.Task) (*wire.Collect, error) {
	text, err := store.Statement(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	st, err := wire.DecodeStatement(text)
	if err != nil || st.Run == nil {
		return nil, nil //nolint:nilerr,nilnil // a task whose statement cannot be read is shown like any other
	}
	return st.Run.Collect, nil
}

// Prepare makes the directory of --save, and checks that it can be written to.
func Prepare(dir string) error {
	if err := filesave.Prepare(dir); err != nil {
		return &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("--save %s: %v", dir, err), Hint: "name a directory that you can write to", Err: err}
	}
	return nil
}

// A reader reads the archives of the hosts of one task: each once, unless the lists of all hosts are too
// large to be kept.
type reader struct {
	store Store
	task  string
	save  string // directory; empty: save nothing
	limit int64
	texts *texts // nil: they are not compared

	known   map[string]*record // by job
	catalog *catalog
	sizes   map[string]int64  // by job, as the host has said; 0: it has not
	names   map[string]string // of the directories of the hosts, by job
}

// A record is what is kept of the archive of a host.
type record struct {
	list   list // in the catalog, if it is listed
	listed bool
	files  int // without those that are missing or failed
	bytes  int64
	failed int
	err    error // what is wrong with the archive as a whole
}

func (r *record) ok() bool { return r.failed == 0 && r.err == nil }

// Host implements result.Collector.
func (r *reader) Host(ctx context.Context, j *model.Job) (*result.Collected, error) {
	rec := r.known[j.ID]
	if rec == nil || !rec.listed {
		c, _, err := r.read(ctx, j)
		return c, err
	}
	dir := ""
	if r.save != "" {
		var err error
		if dir, err = r.directory(ctx, j); err != nil {
			return nil, err
		}
	}
	saved := func(local string) string { return filepath.Join(r.save, dir, filepath.FromSlash(local)) }
	return &result.Collected{Files: r.catalog.files(rec.list, saved), Err: rec.err}, nil
}

// record returns what is kept of what the host of a job has sent.
func (r *reader) record(ctx context.Context, j *model.Job) (*record, error) {
	if rec := r.known[j.ID]; rec != nil {
		return rec, nil
	}
	_, rec, err := r.read(ctx, j)
	return rec, err
}

// readerOf returns the reader that Apply has made.
func readerOf(v *result.View) *reader { return v.Collect.(*reader) }

// Size implements result.Collector.
func (r *reader) Size(ctx context.Context, j *model.Job) (size int64, ok bool) {
	if size, ok := r.sizes[j.ID]; ok {
		return size, size > 0
	}
	if j.Stdout.Kept == 0 {
		return 0, false
	}
	for s, err := range r.store.Output(ctx, j.ID, wire.Stdout, 0) {
		if err == nil && s.Offset == 0 {
			size, ok = collect.ArchiveSize(s.Data)
		}
		break
	}
	if ok || j.Stdout.Kept > wire.MaxChunk {
		r.sizes[j.ID] = size // 0: it does not say it
	}
	return size, ok
}

// Text implements result.Collector.
func (r *reader) Text(sum [sha256.Size]byte) (string, bool) {
	if r.texts == nil {
		return "", false
	}
	return r.texts.find(sum)
}

// read reads, and saves, what the host of a job has sent.
func (r *reader) read(ctx context.Context, j *model.Job) (*result.Collected, *record, error) {
	if j.State != model.Ended || j.Outcome == wire.Lost || j.Stdout.Size == 0 && !j.OK() {
		none, _ := r.catalog.add(nil, nil)
		return new(result.Collected), &record{list: none, listed: true}, nil
	}
	c := new(result.Collected)
	in := newOutput(ctx, r.store, j)
	defer in.stop()
	k := keeper{reader: r, job: j, into: c}
	defer k.close()
	err := collect.Read(in, r.limit, collect.Sink{
		File: func(f *collect.File, content io.Reader) error { return k.file(ctx, f, content) },
		Done: k.done,
	})
	switch {
	case in.err != nil:
		return nil, nil, in.err
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case errors.Is(err, errGap):
		c.Err = lackOf(j)
	default:
		c.Err = err
	}
	if !j.OK() {
		c.Err = nil // the outcome says why the archive has no end
	}
	return c, r.keep(j, c, k.locals), nil
}

// keep keeps what the host of a job has sent, unless more of it may arrive.
func (r *reader) keep(j *model.Job, c *result.Collected, locals []string) *record {
	rec := r.known[j.ID]
	if rec != nil { // its list was too large
		return rec
	}
	rec = &record{err: c.Err}
	for i := range c.Files {
		switch f := &c.Files[i]; {
		case f.Failed != "":
			rec.failed++
		case f.Missing == "":
			rec.files++
			rec.bytes += f.Size
		}
	}
	rec.list, rec.listed = r.catalog.add(c.Files, locals)
	if !j.Incomplete() {
		r.known[j.ID] = rec
	}
	return rec
}

// directory returns the name of the directory of a job's host.
func (r *reader) directory(ctx context.Context, j *model.Job) (string, error) {
	if r.names == nil {
		jobs, err := r.store.Jobs(ctx, r.task)
		if err != nil {
			return "", err
		}
		r.names = make(map[string]string, len(jobs))
		for i, name := range result.FileNames(jobs) {
			r.names[jobs[i].ID] = name
		}
	}
	return r.names[j.ID], nil
}

// lackOf says why an archive is not whole.
func lackOf(j *model.Job) error {
	n := j.Stdout.Size - j.Stdout.Kept
	switch {
	case j.Stdout.Gone, j.Stdout.Dropped > 0:
		return fmt.Errorf("the host no longer has %s of what it sent; collect the files again", term.Bytes(n))
	default:
		return fmt.Errorf("%s have not arrived yet; check_task asks the host again", term.Bytes(n))
	}
}

// A keeper takes the files of one archive.
type keeper struct {
	reader *reader
	job    *model.Job
	into   *result.Collected
	locals []string            // of the files of into: their paths in the host's directory; empty: not saved
	name   string              // of the host's directory
	dir    *filesave.Directory // nil before its first file
}

// file saves the content of a file, or keeps its text, or both.
func (k *keeper) file(ctx context.Context, f *collect.File, content io.Reader) error {
	if k.reader.texts != nil {
		content = k.reader.texts.tee(f, content)
	}
	if k.reader.save == "" {
		_, err := io.Copy(io.Discard, content)
		return err
	}
	if k.dir == nil {
		var err error
		if k.name, err = k.reader.directory(ctx, k.job); err != nil {
			return err
		}
		if k.dir, err = filesave.Open(k.reader.save, k.name); err != nil {
			return err
		}
	}
	return k.dir.File(f, files.Stoppable{Context: ctx, Reader: content})
}

func (k *keeper) done(f *collect.File) error {
	var local string
	if k.dir != nil {
		local = k.dir.Done(f)
	}
	if k.reader.texts != nil {
		k.reader.texts.done(f)
	}
	c := result.CollectedFile{File: *f}
	if local != "" {
		c.Saved = filepath.Join(k.reader.save, k.name, filepath.FromSlash(local))
	}
	k.into.Files = append(k.into.Files, c)
	k.locals = append(k.locals, local)
	return nil
}

func (k *keeper) close() {
	if k.dir != nil {
		_ = k.dir.Close()
	}
}

// errGap is the error of an output that lacks some bytes.
var errGap = errors.New("some of the output is missing")

// An output reads the standard output of a job up to its first gap.
type output struct {
	next func() (model.Segment, error, bool)
	stop func()
	at   int64
	size int64
	rest []byte
	err  error // of the store
}

func newOutput(ctx context.Context, store Store, j *model.Job) *output {
	next, stop := iter.Pull2(store.Output(ctx, j.ID, wire.Stdout, 0))
	return &output{next: next, stop: stop, size: j.Stdout.Size}
}

func (o *output) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		if o.at == o.size {
			return 0, io.EOF
		}
		segment, err, ok := o.next()
		switch {
		case errors.Is(err, model.ErrArchiveDamaged):
			return 0, err // of this host alone
		case err != nil:
			o.err = err
			return 0, err
		case !ok || segment.Offset != o.at:
			return 0, errGap
		}
		o.rest = segment.Data
		o.at += int64(len(o.rest))
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}
