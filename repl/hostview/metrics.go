package hostview

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"warren/internal/exposition"
	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/target"
)

// Ask is Flags.Ask, and writes the metrics about all hosts to a file if path is not empty.
func Ask(ctx context.Context, c *target.Flags, env *target.Env, set *hostexpr.Set, all bool, path string) (target.Selection, error) {
	if path == "" {
		return c.Ask(ctx, env, set, all)
	}
	if err := exposition.CheckFile(path); err != nil {
		return target.Selection{}, cli.WithStatus(cli.ExitUsage, err)
	}
	selected, err := c.Ask(ctx, env, set, true)
	up := selected.Up()
	if err == nil || len(up) > 0 { // fewer than --min-hosts answer: the metrics say which
		err = cmp.Or(err, WriteMetrics(path, up, time.Now()))
	}
	if !all {
		selected.DropOffline()
	}
	return selected, err
}

// WriteMetrics writes a file for node_exporter's textfile collector. Up says of each host whether
// an agent has answered.
func WriteMetrics(path string, up map[string]bool, asked time.Time) error {
	var p exposition.Page
	p.Value(exposition.Gauge, "warren_hosts_asked_time_seconds", "When the hosts were asked, in Unix time.", float64(asked.UnixMilli())/1000)
	p.Metric(exposition.Gauge, "warren_host_up", "1 if an agent answers to the host's name, 0 if none does.")
	for _, host := range slices.Sorted(maps.Keys(up)) {
		value := 0.0
		if up[host] {
			value = 1
		}
		p.Sample(value, "host", host)
	}
	return exposition.WriteFile(path, &p)
}
