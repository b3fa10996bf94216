// Package filesave writes the files that a host sent into a directory of the operator. The
// host may be hostile: nothing is written outside of its directory, and each file is whole or
// untouched.
package filesave

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"warren/internal/files"
	"warren/internal/files/collect"
)

// tempPrefix begins the name of a file that is not whole yet. It is in the directory of the
// host, where no path of a host begins so.
const tempPrefix = ".warren-collect-"

// staleAfter is when a temporary file belongs to no process any more.
const staleAfter = 24 * time.Hour

// Prepare makes the directory for all hosts and checks that it can be written to.
func Prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return files.Cause(err)
	}
	probe, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return files.Cause(err)
	}
	return files.Cause(errors.Join(probe.Close(), os.Remove(probe.Name())))
}

// A Directory is the directory of one host. The caller closes it.
type Directory struct {
	root  *os.Root
	names *names
	temp  string // of the file that is being read; empty: none
	local string // its path in the directory
}

// Open makes the directory of a host in dir. Name is a safe name for it. A symbolic link is
// not followed.
func Open(dir, name string) (*Directory, error) {
	p := filepath.Join(dir, name)
	if err := os.Mkdir(p, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", p, files.Cause(err))
	}
	info, err := os.Lstat(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, files.Cause(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", p)
	}
	root, err := os.OpenRoot(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, files.Cause(err))
	}
	d := &Directory{root: root, names: newNames()}
	d.sweep()
	return d, nil
}

// sweep removes what a killed process has left.
func (d *Directory) sweep() {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > staleAfter {
			_ = d.root.Remove(e.Name())
		}
	}
}

// File writes the content of a file beside the others, under a temporary name. It is
// collect.Sink.File.
func (d *Directory) File(f *collect.File, content io.Reader) error {
	d.drop()
	var err error
	if d.local, err = d.names.local(f.Path); err != nil {
		return fmt.Errorf("cannot save it: %w", err)
	}
	if err := d.root.MkdirAll(path.Dir(d.local), 0o700); err != nil {
		return fmt.Errorf("cannot save it: %w", files.Cause(err))
	}
	if info, err := d.root.Lstat(d.local); err == nil && info.IsDir() {
		return errors.New("cannot save it: a directory has its name")
	}
	name := tempPrefix + rand.Text()
	out, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot save it: %w", files.Cause(err))
	}
	d.temp = name
	// The time is what the host says, so that a system may not know it.
	_, err = io.Copy(out, content)
	if err = errors.Join(err, out.Close()); err != nil {
		d.drop()
		return fmt.Errorf("cannot save it: %w", files.Cause(err))
	}
	return nil
}

// Done gives the file its name, if it is good. It returns the path in the directory, or empty
// if nothing was saved.
func (d *Directory) Done(f *collect.File) (local string) {
	defer d.drop()
	if d.temp == "" || f.Failed != "" || f.Missing != "" {
		return ""
	}
	_ = d.root.Chtimes(d.temp, f.ModTime, f.ModTime)
	if err := d.root.Rename(d.temp, d.local); err != nil {
		f.Failed = fmt.Sprintf("cannot save it: %v", files.Cause(err))
		return ""
	}
	d.temp = ""
	return d.local
}

// drop removes a file that did not become whole.
func (d *Directory) drop() {
	if d.temp != "" {
		_ = d.root.Remove(d.temp)
		d.temp = ""
	}
}

// Close removes what is not whole.
func (d *Directory) Close() error {
	d.drop()
	return d.root.Close()
}
