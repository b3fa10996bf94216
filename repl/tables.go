package repl

import (
	"bufio"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"warren/internal/results"
	"warren/internal/visible"
)

// printTasks prints a table: for eyes on a terminal, with whole ids and times
// elsewhere.
func (s *session) printTasks(tasks []results.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	rows := [][]string{{"ID", "CREATED", "HOSTS", "STATE", "COMMAND"}}
	now := time.Now()
	for i := range tasks {
		t := &tasks[i]
		id, created := t.ID, t.Created.UTC().Format(time.RFC3339)
		if s.stdio.OutTerminal {
			id, created = shortID(t.ID), humanDuration(now.Sub(t.Created).Truncate(time.Second))+" ago"
			if now.Sub(t.Created) < time.Second {
				created = "now"
			}
		}
		rows = append(rows, []string{id, created, fmt.Sprint(t.Hosts), stateText(t), visible.Line(t.Command)})
	}
	return s.printTable(rows)
}

func (s *session) printAgents(agents []results.Agent) error {
	rows := [][]string{{"ID", "NAMES", "OS", "VERSION", "UP", "RUNNING"}}
	for _, a := range agents {
		var others []string
		for _, name := range a.Names {
			if name != a.Agent {
				others = append(others, name)
			}
		}
		running := fmt.Sprint(a.Running)
		if a.Queued > 0 {
			running += fmt.Sprintf(" (+%d queued)", a.Queued)
		}
		rows = append(rows, []string{
			a.Agent, strings.Join(others, " "), a.Facts.OS + "/" + a.Facts.Arch, a.Facts.Version,
			humanDuration(time.Duration(a.At-a.Facts.StartedAt) * time.Millisecond), running,
		})
	}
	return s.printTable(rows)
}

// printTable aligns columns; on a terminal each row is cut to one line.
func (s *session) printTable(rows [][]string) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			row[i] = visible.Line(cell)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return s.printTo(func(w *bufio.Writer) error {
		for line := range strings.Lines(text.String()) {
			fmt.Fprintln(w, clip(strings.TrimRight(line, " \n"), s.stdio.width()))
		}
		return nil
	})
}
