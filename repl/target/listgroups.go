package target

import (
	"context"
	"errors"
	"slices"

	"warren/internal/operator/hostexpr"
	"warren/internal/wire"
	"warren/repl/cli"
)

// ListGroups returns the groups of a source as they are written in expressions; source "" is all
// sources. Hosts, if present, selects the groups that contain at least one of them. A source that
// fails is an error, which comes with the groups of the others.
func (env *Env) ListGroups(ctx context.Context, source string, hosts *hostexpr.Set) (names []string, err error) {
	l := env.NewGroupLookup()
	sources := []string{source}
	if source == "" {
		if sources, err = l.sources.Sources(); err != nil {
			return nil, cli.WithStatus(cli.ExitUsage, err)
		}
		if len(sources) == 0 {
			return nil, cli.WithStatus(cli.ExitUsage, l.missingFile("", "*"))
		}
	}
	var failed error
	for _, s := range sources {
		err := l.interruptible(ctx, func(ctx context.Context) error {
			more, err := l.groupsOf(ctx, s, hosts)
			names = append(names, more...)
			return err
		})
		switch {
		case l.interrupted != nil:
			return nil, l.interrupted
		case err != nil:
			failed = errors.Join(failed, l.explain(s, "", err))
		}
	}
	return names, cli.WithStatus(cli.ExitUsage, failed)
}

// groupsOf returns the groups of a source that contain one of the hosts, or all.
func (l *GroupLookup) groupsOf(ctx context.Context, source string, hosts *hostexpr.Set) ([]string, error) {
	var found []string
	if hosts != nil {
		names, known, err := l.reverse(ctx, source, hosts)
		if known || err != nil {
			return names, err
		}
	}
	names, known, err := l.sources.Names(ctx, source)
	if err != nil {
		return nil, err
	}
	if !known {
		l.env.Out.Note("warning: source %q has no list upcall: its groups are not listed", source)
	}
	for _, name := range names {
		written := l.sources.Written(source, name)
		if hosts != nil {
			set, err := hostexpr.Evaluate(written, wire.MaxLeaves, func(source, name string) ([]string, string, error) {
				return l.sources.Group(ctx, source, name)
			})
			switch {
			case errors.Is(err, hostexpr.ErrNothing):
				continue
			case err != nil:
				return found, err
			case !slices.ContainsFunc(hosts.Names(), set.Has):
				continue
			}
		}
		found = append(found, written)
	}
	return found, nil
}

// reverse asks the reverse command of a source, if it has one, for the groups of each host.
func (l *GroupLookup) reverse(ctx context.Context, source string, hosts *hostexpr.Set) (found []string, known bool, err error) {
	for _, host := range hosts.Names() {
		names, known, err := l.sources.GroupsOf(ctx, source, host)
		if !known || err != nil {
			return nil, known, err
		}
		for _, name := range names {
			if written := l.sources.Written(source, name); !slices.Contains(found, written) {
				found = append(found, written)
			}
		}
	}
	return found, true, nil
}
