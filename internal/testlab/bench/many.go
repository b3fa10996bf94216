package bench

import (
	"context"

	"warren/internal/testlab/bench/floor"
)

const (
	tenThousand = 10_000
	aThousand   = 1_000

	// manyShare is how many of the floor's agents share a connection there: two
	// fleets of 10,000 connections are more than the descriptors of most brokers.
	manyShare = 100
)

// many is one task for 10,000 hosts, and in turns with it one for 1,000 of them.
func (b *bench) many(ctx context.Context) error {
	f := fleet{prefix: b.unique(), hosts: tenThousand, workers: workers(), share: manyShare}
	var kinds []turn
	for _, command := range []string{"true", floor.Noop} {
		for _, hosts := range []int{tenThousand, aThousand} {
			kinds = append(kinds, turn{command: command, hosts: hosts, times: 1})
		}
	}
	rows, err := b.rows(ctx, f, kinds)
	if err != nil {
		return err
	}
	b.report.Rows = append(b.report.Rows, rows...)
	for i := 0; i < len(rows); i += 2 {
		b.report.judgeMany(rows[i], rows[i+1])
	}
	return nil
}

// judgeMany holds a row of 10,000 hosts, beside one of 1,000, against bar 4.
func (r *Report) judgeMany(many, few Row) {
	what := many.what(false)
	perHost := float64(of(many.Warren, last).Median) / float64(many.Hosts) / (float64(of(few.Warren, last).Median) / float64(few.Hosts))
	r.bar(Bar{Number: 4, What: what + ": jobs without an outcome of their host's", Found: float64(many.Warren.lost()), Unit: ""})
	r.bar(Bar{Number: 4, What: what + ": peak memory of the operator", Found: inMiB(of(many.Warren, peak(operatorPart)).Max), Limit: 120, Unit: "MiB"})
	r.bar(Bar{Number: 4, What: what + ": time for each host", Found: perHost, Limit: 1.3, Unit: "× that at 1000"})
}

func inMiB(n int64) float64 { return float64(n) / (1 << 20) }
