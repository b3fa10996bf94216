package repl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"warren/internal/operator/groups"
	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/suggest"
)

// groups knows the groups of the operator's file, and the hosts of earlier tasks
// by how they ended: @web, @racks:r1, @failed:1b4e. The file is read when its
// first group is named.
func (s *session) groups(ctx context.Context) hostexpr.Groups {
	var file *groups.Groups
	return func(source, name string) (exprs []string, home string, err error) {
		if slices.Contains(model.StatusNames(), source) {
			exprs, err = s.hostsOf(ctx, source, name)
			return exprs, "", err
		}
		if file == nil {
			if file, err = s.loadGroups(source, name); err != nil {
				return nil, "", err
			}
		}
		exprs, home, err = file.Group(source, name)
		return exprs, home, explainGroup(name, err)
	}
}

func (s *session) loadGroups(source, name string) (*groups.Groups, error) {
	written := "@" + name
	if source != "" {
		written = "@" + source + ":" + name
	}
	if s.settings.Groups == "" {
		return nil, fmt.Errorf("group %s: there is no file of groups\nhint: name one with --groups or WARREN_GROUPS", written)
	}
	file, err := groups.Load(s.settings.Groups, model.StatusNames())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("group %s: there is no file of groups at %s\nhint: write one, as in  roles: {web: 'web[01-20]'}  or name another with --groups or WARREN_GROUPS", written, s.settings.Groups)
	}
	return file, err
}

// explainGroup says what may have been meant by a group that is not known.
func explainGroup(name string, err error) error {
	var unknown *groups.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	known := unknown.Known
	if unknown.Source == "" {
		known = append(known, model.StatusNames()...)
	}
	hint := suggest.For(unknown.Name, known)
	switch {
	case hint != "":
	case slices.Contains(model.StatusNames(), name):
		hint = fmt.Sprintf("the hosts of an earlier task are @%s:ID", name)
	case len(unknown.Known) > 0:
		hint = "there are " + list(unknown.Known, 10)
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w\nhint: %s", err, hint)
}

// hostsOf returns the hosts of a task whose jobs a word is true of.
func (s *session) hostsOf(ctx context.Context, word, id string) ([]string, error) {
	task, err := (&taskID{ID: id}).find(ctx, s, "@"+word)
	if err != nil {
		return nil, err
	}
	jobs, err := s.store.Jobs(ctx, task.ID)
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
