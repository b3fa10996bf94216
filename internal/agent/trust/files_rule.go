package trust

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"warren/internal/hint"
	"warren/internal/wire"
)

// permitsFiles decides on a push or a collect of a confined line. What it returns names the
// directory that the executor confines itself to, because only the executor can see symbolic
// links, and the modes in a manifest.
func (r *Rule) permitsFiles(run wire.Run, self string) (*wire.Run, string) {
	if run.Push != nil {
		within := directoryOf([]string{run.Push.Path}, r.push)
		if within == "" {
			return nil, fmt.Sprintf("no permit-push names a directory above %q", clip(run.Push.Path, 200))
		}
		if refusal := r.refusesOwnerOrMode(run.Push, run.User, self); refusal != "" {
			return nil, refusal
		}
		if refusal := refusesWithin(run.Push.Within, within); refusal != "" {
			return nil, refusal
		}
		push := *run.Push
		push.Within = within
		run.Push = &push
		return &run, ""
	}
	within := directoryOf(run.Argv, r.collect)
	if within == "" {
		return nil, fmt.Sprintf("no single permit-collect names a directory above all of %s", clip(fmt.Sprintf("%q", run.Argv), 200))
	}
	if refusal := refusesWithin(run.Collect.Within, within); refusal != "" {
		return nil, refusal
	}
	collect := *run.Collect
	collect.Within = within
	run.Collect = &collect
	return &run, ""
}

// refusesOwnerOrMode checks that the files of a push give the operator no rights that its
// commands do not have. The group of a file is free: without setgid, a file does not run with
// the rights of its group.
func (r *Rule) refusesOwnerOrMode(p *wire.Push, user, self string) string {
	owner, _, _ := strings.Cut(p.Owner, ":")
	switch {
	case p.Mode&wire.SpecialModes != 0:
		return fmt.Sprintf("a confined line may not set setuid, setgid or sticky bits (mode %04o)", p.Mode)
	case owner == "", owner == user, user == "" && owner == self, slices.Contains(r.runAs, "*"), slices.Contains(r.runAs, owner):
		return ""
	}
	return fmt.Sprintf("run-as does not name the owner %q", clip(owner, 100))
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

// refusesWithin refuses a directory that the request names and that is not the permitted one. Below
// that one, it may be a symbolic link to any place, and the executor opens it without a limit.
func refusesWithin(requested, permitted string) string {
	if requested == "" || samePath(filepath.Clean(requested), permitted) {
		return ""
	}
	return fmt.Sprintf("the request names the directory %q as its limit, but that of the line is %q", clip(requested, 200), clip(permitted, 200))
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
