package bench

import "context"

// separateHosts is how many hosts are processes of their own.
const separateHosts = 50

// processes is the same with hosts that are processes, each with a journal and
// workers of its own.
func (b *bench) processes(ctx context.Context) error {
	f := fleet{prefix: b.unique(), hosts: separateHosts, workers: workers(), processes: true}
	rows, err := b.rows(ctx, f, []turn{
		{command: "true", hosts: separateHosts, times: 5},
		{command: "true", hosts: separateHosts, times: 1, cold: true},
	})
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Processes = true
	}
	b.report.Rows = append(b.report.Rows, rows...)
	b.report.bar(Bar{Number: 2, What: "50 hosts that are processes, true, whole process", Found: rows[1].ratio(), Limit: 1.5, Unit: "× floor"})
	return nil
}
