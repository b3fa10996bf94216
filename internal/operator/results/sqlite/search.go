package sqlite

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
)

// A Filter selects tasks. Its zero value selects all.
type Filter struct {
	Since   time.Time      // created then or later
	Before  time.Time      // created before
	Host    string         // with a job of this host
	Status  string         // with a job of this status (model.StatusNames), of Host if that is given
	Command *regexp.Regexp // with a command that matches
	After   string         // that follow the task with this full id, which is to be skipped too; "" begins with the newest
	Limit   int            // at most so many; 0 is no limit
}

// searchPage is how many tasks a search for a command reads at a time.
const searchPage = 200

// Search returns the newest tasks first, and whether there are more of them.
func (r *Reader) Search(ctx context.Context, f Filter) (found []model.Task, more bool, err error) {
	where, args := f.where()
	for last := f.After; ; {
		page := searchPage
		if f.Limit > 0 && f.Command == nil {
			page = f.Limit + 1
		}
		text := where
		pageArgs := args
		if last != "" {
			text += " AND seq < (SELECT seq FROM tasks WHERE id = ?)"
			pageArgs = append(slices.Clone(args), last)
		}
		tasks, err := r.tasks(ctx, text+" ORDER BY seq DESC LIMIT ?", append(slices.Clone(pageArgs), page)...)
		if err != nil {
			return nil, false, err
		}
		for _, t := range tasks {
			last = t.ID
			if f.Command != nil && !f.Command.MatchString(t.Command) {
				continue
			}
			if f.Limit > 0 && len(found) == f.Limit {
				return found, true, nil
			}
			found = append(found, t)
		}
		if len(tasks) < page {
			return found, false, nil
		}
	}
}

// where is the filter in SQL, without the command.
func (f *Filter) where() (text string, args []any) {
	conditions := []string{"1"}
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if !f.Since.IsZero() {
		add("created >= ?", merge.Milliseconds(f.Since))
	}
	if !f.Before.IsZero() {
		add("created < ?", merge.Milliseconds(f.Before))
	}
	switch of := "EXISTS (SELECT 1 FROM jobs j WHERE j.seq BETWEEN first_job AND first_job + hosts - 1"; {
	case f.Host != "":
		add(of+" AND j.host = ? AND "+jobIs(f.Status)+")", f.Host)
	case f.Status != "" && f.Status != model.StatusAll:
		add(of + " AND " + jobIs(f.Status) + ")")
	}
	return "WHERE " + strings.Join(conditions, " AND "), args
}

// jobIs is Job.Is in SQL.
func jobIs(status string) string {
	const ok = "(j.state = 4 AND j.outcome = 'exited' AND j.exit_code = 0)"
	switch status {
	case "", model.StatusAll:
		return "1"
	case model.StatusOK:
		return ok
	case model.StatusFailed:
		return "(j.state = 4 AND NOT " + ok + ")"
	case model.StatusUnfinished:
		return "j.state < 4"
	case string(model.Pending), string(model.Sent), string(model.Accepted), string(model.Running):
		return fmt.Sprintf("j.state = %d", model.State(status).Rank())
	}
	if !slices.Contains(model.StatusNames(), status) {
		return "0"
	}
	return "(j.state = 4 AND j.outcome = '" + status + "' AND NOT " + ok + ")"
}
