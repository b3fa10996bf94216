package trust

import (
	"fmt"
	"path/filepath"

	"warren/internal/hint"
	"warren/internal/wire"
)

// permitsFiles decides on a push or a collect of a confined line. What it returns names the
// directory that the executor confines itself to, because only the executor can see symbolic
// links.
func (r *Rule) permitsFiles(run wire.Run) (*wire.Run, string) {
	if run.Push != nil {
		within := directoryOf([]string{run.Push.Path}, r.push)
		if within == "" {
			return nil, fmt.Sprintf("no permit-push names a directory above %q", clip(run.Push.Path, 200))
		}
		push := *run.Push
		push.Within = narrower(push.Within, within)
		run.Push = &push
		return &run, ""
	}
	within := directoryOf(run.Argv, r.collect)
	if within == "" {
		return nil, fmt.Sprintf("no permit-collect names a directory above %s", clip(fmt.Sprintf("%q", run.Argv), 200))
	}
	collect := *run.Collect
	collect.Within = narrower(collect.Within, within)
	run.Collect = &collect
	return &run, ""
}

// directoryOf returns the first directory that has all paths in it, or "".
func directoryOf(paths, directories []string) string {
	for _, d := range directories {
		all := true
		for _, p := range paths {
			all = all && isWithin(p, d)
		}
		if all {
			return d
		}
	}
	return ""
}

// isWithin reports whether a full path, without regard to symbolic links, is in a directory.
func isWithin(path, directory string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	rel, err := filepath.Rel(directory, filepath.Clean(path))
	return err == nil && filepath.IsLocal(rel)
}

// narrower returns the directory that the request names, if it is in the permitted one.
func narrower(requested, permitted string) string {
	if isWithin(requested, permitted) {
		return filepath.Clean(requested)
	}
	return permitted
}

func (r *Rule) addPush(value string) (err error) {
	r.push, err = addDirectory(r.push, "permit-push", value)
	return err
}

func (r *Rule) addCollect(value string) (err error) {
	r.collect, err = addDirectory(r.collect, "permit-collect", value)
	return err
}

func addDirectory(list []string, option, value string) ([]string, error) {
	if !filepath.IsAbs(value) {
		return nil, hint.Errorf(option+"=\"/etc/app/\"", "%q is not a full path", clip(value, 100))
	}
	return append(list, filepath.Clean(value)), nil
}
