package render

import (
	"fmt"
	"time"

	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// Tasks prints a table: for eyes on a terminal, with whole ids and times
// elsewhere.
func Tasks(out *term.Console, tasks []model.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	rows := [][]string{{"ID", "CREATED", "HOSTS", "STATE", "COMMAND"}}
	now := time.Now()
	for i := range tasks {
		t := &tasks[i]
		id, created := t.ID, t.Created.UTC().Format(time.RFC3339)
		if out.OutTerminal {
			id, created = result.ShortID(t.ID), out.Lang.Sprintf("%s ago", term.Duration(now.Sub(t.Created).Truncate(time.Second)))
			if now.Sub(t.Created) < time.Second {
				created = out.Lang.Word("now")
			}
		}
		rows = append(rows, []string{id, created, fmt.Sprint(t.Hosts), out.Lang.Text(result.StateText(t)), result.CommandText(t)})
	}
	return out.Table(rows)
}
