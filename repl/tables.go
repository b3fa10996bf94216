package repl

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/visible"
)

// printTasks prints a table: for eyes on a terminal, with whole ids and times
// elsewhere.
func (s *session) printTasks(tasks []model.Task) error {
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

// printTable aligns columns; on a terminal each row is cut to one line.
func (s *session) printTable(rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			row[i] = visible.Line(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible.Width(row[i]))
		}
	}
	return s.printTo(func(w *bufio.Writer) error {
		for _, row := range rows {
			var line strings.Builder
			for i, cell := range row {
				line.WriteString(visible.Pad(cell, widths[i]+2))
			}
			fmt.Fprintln(w, visible.Clip(strings.TrimRight(line.String(), " "), s.stdio.width()))
		}
		return nil
	})
}
