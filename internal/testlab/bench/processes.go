package bench

import (
	"context"
	"fmt"
)

// processes is the same with hosts that are processes, each with a journal and
// workers of its own.
func (b *bench) processes(ctx context.Context) error {
	f := fleet{prefix: b.unique(), hosts: b.cfg.Separate, workers: workers(), processes: true}
	rows, err := b.rows(ctx, f, []turn{
		{command: "true", hosts: b.cfg.Separate, times: 5},
		{command: "true", hosts: b.cfg.Separate, times: 1, cold: true},
	})
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Processes = true
	}
	b.report.Rows = append(b.report.Rows, rows...)
	b.report.bar(Bar{Number: 2, What: fmt.Sprintf("%d hosts that are processes, true, whole process", b.cfg.Separate), Found: rows[1].ratio(), Limit: 1.5, Unit: "× floor"})
	return nil
}
