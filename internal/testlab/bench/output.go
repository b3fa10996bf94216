package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/internal/testlab/bench/part"
)

const (
	gibibyte = 1 << 30

	// keptOutput is as much as a host keeps by default, whatever is asked for.
	keptOutput = 16 << 20
)

// output is one host that prints 1 GiB, of which the operator's default limit is
// kept, and then as much as an agent keeps at all.
func (b *bench) output(ctx context.Context) (err error) {
	f := fleet{prefix: b.unique(), hosts: 1, workers: workers(), processes: true}
	s, err := b.warrenSide(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	t := turn{command: fmt.Sprintf("head -c %d /dev/zero", gibibyte), hosts: 1, times: 1}
	for _, keep := range []int64{1 << 20, keptOutput} {
		t.keep = keep
		if err := b.judgeOutput(ctx, s, t); err != nil {
			return err
		}
	}
	return nil
}

// judgeOutput lets the host print once for each round and holds it against bar 6.
func (b *bench) judgeOutput(ctx context.Context, s *side, t turn) error {
	agent := s.agents[0].Known.PIDs[0]
	operatorIdle, err := part.Resident(s.operator.PID)
	if err != nil {
		return err
	}
	agentIdle, err := part.Resident(agent)
	if err != nil {
		return err
	}
	var series Series
	for range b.cfg.Rounds {
		b.say("1 GiB of output, of which %d MiB are kept", t.keep>>20)
		sample, err := b.take(ctx, s, t)
		if err != nil {
			return err
		}
		series = append(series, sample)
	}
	what := fmt.Sprintf("1 GiB from one host, %d MiB kept", t.keep>>20)
	lacking := int64(0)
	for _, sample := range series {
		lacking += t.keep - sample.Kept
	}
	r := b.report
	r.bar(Bar{Number: 6, What: what + ": bytes missing", Found: float64(lacking), Unit: ""})
	r.bar(Bar{Number: 6, What: what + ": memory of the agent, beyond idle", Found: inMiB(of(series, peak(agentsPart)).Max - agentIdle), Limit: 30, Unit: "MiB"})
	r.bar(Bar{Number: 6, What: what + ": memory of the operator, beyond idle", Found: inMiB(of(series, peak(operatorPart)).Max - operatorIdle), Limit: 30, Unit: "MiB"})
	r.bar(Bar{Number: 6, What: what + ": rate", Found: gibibyte / (1 << 20) / of(series, last).Median.Seconds(), Limit: 100, Unit: "MiB/s", Least: true})
	return nil
}

// eachPrints is what each host prints in spread.
const eachPrints = 64 << 10

// manyOutputs is 1,000 hosts that print 64 KiB each.
func (b *bench) manyOutputs(ctx context.Context) (err error) {
	s, err := b.warrenSide(ctx, fleet{prefix: b.unique(), hosts: aThousand, workers: workers()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	t := turn{command: fmt.Sprintf("head -c %d /dev/zero", eachPrints), hosts: aThousand, times: 1, keep: 1 << 20}
	var series Series
	lacking := int64(0)
	for round := range b.cfg.Rounds {
		b.say("1000 hosts × 64 KiB: round %d of %d", round+1, b.cfg.Rounds)
		sample, err := b.take(ctx, s, t)
		if err != nil {
			return err
		}
		series = append(series, sample)
		lacking += int64(sample.Lost) + aThousand*eachPrints - sample.Kept
	}
	b.report.bar(Bar{Number: 7, What: "1000 hosts × 64 KiB: bytes missing", Found: float64(lacking), Unit: ""})
	b.report.bar(Bar{Number: 7, What: fmt.Sprintf("1000 hosts × 64 KiB in %s: peak memory of the operator", short(of(series, last).Median.Round(time.Millisecond))), Found: inMiB(of(series, peak(operatorPart)).Max), Limit: 200, Unit: "MiB"})
	return nil
}
