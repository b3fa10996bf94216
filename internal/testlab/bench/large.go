package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// smallFile is the size of each of many files, in bytes.
	smallFile = 200

	// filesInDirectory is how many of them share a directory.
	filesInDirectory = 1000

	// mostCollected bounds the large file that is collected, in bytes: the operator has its archive
	// and the saved file.
	mostCollected = 1 << 30
)

// large copies a large file, and a directory of many files, to one host and from it.
func large(b *bench, ctx context.Context) error {
	return withSeparate(b, ctx, 1, "large-target", func(s *separate) error {
		file, tree, collected := s.path("large-file"), s.path("large-tree"), min(s.cfg.LargeSize, mostCollected)
		if err := errors.Join(fillFile(file, s.cfg.LargeSize), fillTree(tree, s.cfg.ManyFiles), s.fillHosts("file", collected)); err != nil {
			return err
		}
		many := fmt.Sprintf("%d files of %d bytes", s.cfg.ManyFiles, smallFile)
		ofSize := func(size int64) string { return fmt.Sprintf("a file of %.4g MiB", inMiB(size)) }
		for _, step := range []struct {
			what string
			args []string
		}{
			{"push of " + ofSize(s.cfg.LargeSize), []string{"push", file, "--to", filepath.Join(s.dir, "pushed")}},
			{"push of " + many, []string{"push", tree, "--to", filepath.Join(s.dir, "tree")}},
			{"push of " + many + " that the host has", []string{"push", tree, "--to", filepath.Join(s.dir, "tree")}},
			{"collect of " + ofSize(collected), []string{"collect", filepath.Join(s.dir, "file"), "--save", s.path("saved-file")}},
			{"collect of " + many, []string{"collect", filepath.Join(s.dir, "tree"), "--save", s.path("saved-tree")}},
		} {
			s.say("%s", step.what)
			r, err := s.warren(ctx, append(step.args, "--hosts", s.hosts.expr(1), "--data-dir", s.path("large"), "--timeout", "1h")...)
			if err != nil {
				return err
			}
			s.report.figure(Figure{What: step.what + ": whole process of warren", Found: r.took.Seconds(), Unit: "s"})
			s.report.figure(Figure{What: step.what + ": memory of the operator", Found: inMiB(r.operator), Unit: "MiB"})
			s.report.figure(Figure{What: step.what + ": memory of the agent and its process for the files, beyond idle", Found: inMiB(r.agent), Unit: "MiB"})
		}
		return nil
	})
}

// fillTree makes a directory of small files.
func fillTree(dir string, files int) error {
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprint(i/filesInDirectory))
		if i%filesInDirectory == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		if err := fillFile(filepath.Join(sub, fmt.Sprint(i)), smallFile); err != nil {
			return err
		}
	}
	return nil
}
