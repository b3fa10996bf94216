package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"warren/internal/hint"
	"warren/internal/operator/groups"
	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/suggest"
	"warren/repl/term"
)

// LookupGroup knows the groups of the operator's file, and the hosts of earlier tasks
// by how they ended: @web, @racks:r1, @failed:1b4e. The file is read when its
// first group is named.
func (env *Env) LookupGroup(ctx context.Context) hostexpr.Groups {
	var file *groups.Groups
	return func(source, name string) (exprs []string, home string, err error) {
		if slices.Contains(model.StatusNames(), source) {
			exprs, err = env.hostsOf(ctx, source, name)
			return exprs, "", err
		}
		if file == nil {
			if file, err = env.loadGroups(source, name); err != nil {
				return nil, "", err
			}
		}
		exprs, home, err = file.Group(source, name)
		return exprs, home, explainGroup(source, name, err)
	}
}

func (env *Env) loadGroups(source, name string) (*groups.Groups, error) {
	written := "@" + name
	if source != "" {
		written = "@" + source + ":" + name
	}
	if env.Groups == "" {
		return nil, hint.Errorf("name one with --groups or WARREN_GROUPS", "group %s: there is no groups file", written)
	}
	file, err := groups.Load(env.Groups, model.StatusNames())
	if errors.Is(err, fs.ErrNotExist) && written == "@all" {
		return nil, hint.Errorf(allHint, "group @all: there is no groups file at %s", env.Groups)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Errorf("write one, as in  roles: {web: 'web[01-20]'}  or name another with --groups or WARREN_GROUPS",
			"group %s: there is no groups file at %s", written, env.Groups)
	}
	return file, err
}

// explainGroup says what may have been meant by a group that is not known.
func explainGroup(source, name string, err error) error {
	var unknown *groups.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	known := unknown.Known
	if unknown.Source == "" {
		known = append(known, model.StatusNames()...)
	}
	help := suggest.For(unknown.Name, known)
	switch {
	case source == "" && name == "all":
		help = allHint
	case help != "":
	case slices.Contains(model.StatusNames(), name):
		help = fmt.Sprintf("for the hosts of an earlier task write @%s:ID", name)
	case len(unknown.Known) > 0:
		help = "there are " + term.List(unknown.Known, 10)
	}
	if help == "" {
		return err
	}
	return hint.Errorf(help, "%w", err)
}

// hostsOf returns the hosts of a task whose jobs a word is true of.
func (env *Env) hostsOf(ctx context.Context, word, id string) ([]string, error) {
	task, err := env.FindTask(ctx, id, "@"+word)
	if err != nil {
		return nil, err
	}
	jobs, err := env.Store().Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for i := range jobs {
		if jobs[i].Is(word) {
			hosts = append(hosts, jobs[i].Host)
		}
	}
	return []string{strings.Join(hosts, ",")}, nil
}
