package files

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrTooLarge means that the files of a collect are larger than the operator permits.
var ErrTooLarge = errors.New("larger than --max-size")

// Collect writes the files at paths, which are full paths and may have wildcards, as a tar
// archive. A path without a match is an entry of type missing. With within, no path and no
// symbolic link leads out of this directory.
func Collect(ctx context.Context, paths []string, within string, maxSize int64, w io.Writer) error {
	c := collector{left: maxSize, out: tar.NewWriter(w)}
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("%q is not a full path", p)
		}
		if err := c.collect(ctx, filepath.Clean(p), within); err != nil {
			return err
		}
	}
	return c.out.Close()
}

// recordMissing is the tar record with the reason why a path is missing.
const recordMissing = "WARREN.missing"

type collector struct {
	left int64
	out  *tar.Writer
}

// collect adds the files that match one path.
func (c *collector) collect(ctx context.Context, pattern, within string) error {
	base := filepath.VolumeName(pattern) + string(filepath.Separator)
	if within != "" {
		base = filepath.Clean(within)
	}
	rel, err := filepath.Rel(base, pattern)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%q is not below %q", pattern, base)
	}
	var root fs.FS
	if within == "" {
		root = os.DirFS(base)
	} else {
		r, err := os.OpenRoot(base)
		if err != nil {
			return err
		}
		defer r.Close()
		root = r.FS()
	}
	matches := []string{filepath.ToSlash(rel)}
	if strings.ContainsAny(rel, "*?[") {
		if matches, err = fs.Glob(root, filepath.ToSlash(rel)); err != nil {
			return fmt.Errorf("%q: %w", pattern, err)
		}
	}
	if len(matches) == 0 {
		return c.missing(pattern, "no file matches")
	}
	for _, m := range matches {
		if err := c.add(ctx, root, m, filepath.Join(base, filepath.FromSlash(m))); err != nil {
			return err
		}
	}
	return nil
}

// add adds a file, or a directory with what is in it.
func (c *collector) add(ctx context.Context, root fs.FS, name, shown string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return c.missing(shown, rootCause(err).Error())
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return c.missing(shown, rootCause(err).Error())
	case info.IsDir():
		entries, err := fs.ReadDir(root, name)
		if err != nil {
			return c.missing(shown, rootCause(err).Error())
		}
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink != 0 {
				continue // it may lead back to a directory above
			}
			sub := e.Name()
			if name != "." {
				sub = name + "/" + e.Name()
			}
			if err := c.add(ctx, root, sub, filepath.Join(shown, e.Name())); err != nil {
				return err
			}
		}
		return nil
	case !info.Mode().IsRegular():
		return c.missing(shown, "a device, a socket or a pipe")
	case info.Size() > c.left:
		return fmt.Errorf("%q: %w", shown, ErrTooLarge)
	}
	c.left -= info.Size()
	h := &tar.Header{Name: archiveName(shown), Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	if err := c.out.WriteHeader(h); err != nil {
		return err
	}
	if n, err := io.CopyN(c.out, f, info.Size()); err != nil {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%q became shorter while it was read, after %d bytes", shown, n)
		}
		return err
	}
	return nil
}

// archiveName returns a full path without its root, with slashes.
func archiveName(p string) string {
	volume := filepath.VolumeName(p)
	name := filepath.ToSlash(p[len(volume):])
	if volume != "" {
		name = "/" + volume[:1] + name
	}
	return name[1:]
}

// missing adds an entry without content, with the reason.
func (c *collector) missing(path, reason string) error {
	return c.out.WriteHeader(&tar.Header{
		Name: archiveName(path), Format: tar.FormatPAX, PAXRecords: map[string]string{recordMissing: reason},
	})
}
