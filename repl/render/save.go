package render

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// RawOutput writes the bytes of the outputs, host by host, and nothing else.
func (p *Printer) RawOutput(ctx context.Context, v *result.View, jobs []model.Job) error {
	return p.out.Print(func(w *bufio.Writer) error {
		for i := range jobs {
			for _, stream := range v.Streams {
				if err := p.copyOutput(ctx, w, v, &jobs[i], stream); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// copyOutput writes the bytes of a stream unchanged, and reports where bytes are missing.
func (p *Printer) copyOutput(ctx context.Context, w *bufio.Writer, v *result.View, j *model.Job, stream string) error {
	e, err := p.excerpt(ctx, v, j, stream)
	if err != nil {
		return err
	}
	at := e.from
	for piece, err := range e.segments {
		if err != nil {
			return err
		}
		if gap := piece.Offset - at; gap > 0 {
			p.writeGap(w, v, j, stream, at, gap)
		}
		if _, err := w.Write(piece.Data); err != nil {
			return err
		}
		at = piece.Offset + int64(len(piece.Data))
	}
	if gap := result.Account(j, stream).Size - at; gap > 0 {
		p.writeGap(w, v, j, stream, at, gap)
	}
	return nil
}

// writeGap names bytes that are not there: in a saved file, whose name says that it
// is partial, where they would be; of --raw, which writes nothing but the output,
// on standard error.
func (p *Printer) writeGap(w *bufio.Writer, v *result.View, j *model.Job, stream string, at, gap int64) {
	if v.Save != "" {
		fmt.Fprintf(w, "\n%s\n", gapText(j, stream, gap))
		return
	}
	p.out.Note("%s, %s, after byte %d: %s", j.Host, stream, at, gapText(j, stream, gap))
}

// A saving is one file to be written.
type saving struct {
	job    *model.Job
	stream string
	path   string
}

// partialSuffix ends the name of a file that lacks some of the output.
const partialSuffix = ".partial"

// Save writes each output into a file of its own: standard output of every host
// that has begun, standard error where there is any. A file that lacks some of
// the output has a name that says so, and names each gap. Nothing is written
// unless everything can be.
func (p *Printer) Save(ctx context.Context, v *result.View, jobs []model.Job) error {
	var files []saving
	names := result.FileNames(jobs)
	for i := range jobs {
		for _, stream := range v.Streams {
			a := result.Account(&jobs[i], stream)
			if result.HasOutput(a) || stream == wire.Stdout && !jobs[i].Started.IsZero() {
				f := saving{&jobs[i], stream, filepath.Join(v.Save, names[i]+"."+stream)}
				whole, err := p.isWhole(ctx, v, f.job, stream)
				if err != nil {
					return err
				}
				if !whole {
					f.path += partialSuffix
				}
				files = append(files, f)
			}
		}
	}
	if err := prepareSave(v, files); err != nil {
		return err
	}
	for _, f := range files {
		if err := p.saveFile(ctx, v, f); err != nil {
			return cli.WithStatus(cli.ExitFailed, err)
		}
		if err := f.removeOther(v.Force); err != nil {
			return cli.WithStatus(cli.ExitFailed, err)
		}
	}
	p.out.Note("%s in %s", term.Plural(len(files), "file"), v.Save)
	return nil
}

// prepareSave makes the directory and sees whether all files can be made.
func prepareSave(v *result.View, files []saving) error {
	refuse := func(err error) error {
		return &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("--save %s: %v", v.Save, cause(err)), Hint: "name a directory that you can write to", Err: err}
	}
	if err := os.MkdirAll(v.Save, 0o700); err != nil {
		return refuse(err)
	}
	probe, err := os.CreateTemp(v.Save, ".warren-*")
	if err != nil {
		return refuse(err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return refuse(err)
	}
	if v.Force {
		return nil
	}
	var there []string
	for _, f := range files {
		for _, path := range []string{f.path, f.other()} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				there = append(there, filepath.Base(path))
			}
		}
	}
	if len(there) > 0 {
		return cli.Usage("--force overwrites; another directory keeps both", "--save %s: already exists: %s", v.Save, term.List(there, 5))
	}
	return nil
}

// other is the path that the file has where it is whole, and this one is not, or
// the reverse.
func (f *saving) other() string {
	if whole, ok := strings.CutSuffix(f.path, partialSuffix); ok {
		return whole
	}
	return f.path + partialSuffix
}

// removeOther removes what --force replaces by a file of another name.
func (f *saving) removeOther(force bool) error {
	if !force {
		return nil
	}
	if err := os.Remove(f.other()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// cause returns err without the path, which the message has already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// saveFile writes one file, whole or not at all: beside its place first.
func (p *Printer) saveFile(ctx context.Context, v *result.View, f saving) (err error) {
	temp, err := os.CreateTemp(v.Save, ".warren-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	w := bufio.NewWriterSize(temp, 64<<10)
	err = p.copyOutput(ctx, w, v, f.job, f.stream)
	if err = errors.Join(err, w.Flush(), temp.Close()); err != nil {
		return err
	}
	if !v.Force {
		// Link fails where something has come up meanwhile; where there are no
		// links (FAT), rename after a look is as near as it gets.
		if err := os.Link(temp.Name(), f.path); err == nil {
			return os.Remove(temp.Name())
		} else if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s was created by another program in the meantime", f.path)
		}
	}
	return os.Rename(temp.Name(), f.path)
}
