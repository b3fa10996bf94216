package hostview

import (
	"maps"
	"slices"
	"time"

	"warren/internal/exposition"
)

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
