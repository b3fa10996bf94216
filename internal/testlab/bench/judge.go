package bench

import "fmt"

// judgeTable holds the rows against the bars.
func (r *Report) judgeTable() {
	for _, row := range r.Rows {
		for _, bar := range tableBars {
			if bar.of(row) {
				found := row.ratio()
				if bar.sync {
					found = row.ratioWithoutSync()
				}
				r.bar(Bar{Number: bar.number, What: row.what(bar.sync), Found: found, Limit: bar.limit, Unit: "× floor"})
			}
		}
	}
}

// tableBars are those that a row of the table is held against.
var tableBars = []struct {
	number int
	of     func(Row) bool
	limit  float64
	sync   bool // one sync of the disk may come to it
}{
	{1, func(r Row) bool { return r.Hosts == 1 && r.Runner == Exec && !r.Cold }, 1.5, true},
	{1, func(r Row) bool { return r.Hosts == 1 && r.Runner == Exec && r.Cold }, 1.5, false},
	{2, func(r Row) bool { return (r.Hosts == 100 || r.Hosts == 1000) && r.Runner == Exec && !r.Cold }, 1.25, false},
	{3, func(r Row) bool { return (r.Hosts == 1000 || r.Hosts == 5000) && r.Runner == Noop && !r.Cold }, 2, false},
}

func (row *Row) ratioWithoutSync() float64 {
	return float64(of(row.Warren, last).Median-of(row.Syncs, last).Median) / float64(of(row.Floor, last).Median)
}

func (row *Row) what(sync bool) string {
	hosts, how, less := "hosts", "warm", ""
	if row.Hosts == 1 {
		hosts = "host"
	}
	if row.Cold {
		how = "whole process"
	}
	if sync {
		less = fmt.Sprintf(", less one sync of %s", short(of(row.Syncs, last).Median))
	}
	return fmt.Sprintf("%d %s, %s, %s%s", row.Hosts, hosts, row.Runner, how, less)
}
