package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"warren/internal/hint"
	"warren/internal/testlab/bench/part"
	"warren/internal/testlab/rabbit"
)

// scaleHosts is how many agents of each kind are connected to see what one costs.
const scaleHosts = 1000

// errNeedsPrivate says that a measurement looks into its broker.
var errNeedsPrivate = hint.New("this measurement looks into the broker, so it needs a private node",
	"leave --broker out")

// A holding is what a broker has at one moment.
type holding struct{ resident, erlang, descriptors, processes, queues, channels float64 }

// smallBuffers are a broker's lines for sockets with little memory of their own.
var smallBuffers = []string{"tcp_listen_options.sndbuf = 32768", "tcp_listen_options.recbuf = 32768"}

// scale measures what agents cost their broker: as they are, with small buffers,
// with an inbox, and while a task is under way.
func (b *bench) scale(ctx context.Context) error {
	if b.node == nil {
		return errNeedsPrivate
	}
	if err := b.scaleOf(ctx, "an agent", false); err != nil {
		return err
	}
	if err := b.scaleOf(ctx, "an agent with an inbox", true); err != nil {
		return err
	}
	if err := b.node.Stop(); err != nil {
		return err
	}
	var err error
	if b.node, err = rabbit.Start(ctx, rabbit.Config{Extra: smallBuffers}); err != nil {
		return err
	}
	b.url, b.brokerPID = b.node.URL(), b.node.PID()
	return b.scaleOf(ctx, "an agent, buffers of 32 KiB", false)
}

func (b *bench) scaleOf(ctx context.Context, name string, inbox bool) (err error) {
	before, err := holdingOf(ctx, b.node, b.brokerPID)
	if err != nil {
		return err
	}
	b.say("%d × %s", scaleHosts, name)
	f := fleet{prefix: b.unique(), hosts: scaleHosts, workers: workers(), inbox: inbox}
	s, err := b.warrenSide(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	after, err := holdingOf(ctx, b.node, b.brokerPID)
	if err != nil {
		return err
	}
	each := func(what string, was, is float64, unit string) {
		b.report.figure(Figure{What: name + ": " + what, Found: (is - was) / scaleHosts, Unit: unit})
	}
	each("resident memory of the broker", before.resident, after.resident, "KiB")
	each("memory that Erlang has asked for, used or not", before.erlang, after.erlang, "KiB")
	each("descriptors", before.descriptors, after.descriptors, "")
	each("queues", before.queues, after.queues, "")
	each("channels", before.channels, after.channels, "")
	each("Erlang processes", before.processes, after.processes, "")
	if name != "an agent" {
		return nil
	}
	sample, err := b.take(ctx, s, turn{command: "true", hosts: scaleHosts, times: 1})
	if err != nil {
		return err
	}
	b.report.figure(Figure{What: "a job under way: memory of the broker, at the peak", Found: max(0, float64(sample.Use[brokerPart].Peak)/1024-after.resident) / scaleHosts, Unit: "KiB"})
	b.report.figure(Figure{What: "a job: processor of the broker", Found: float64(sample.Use[brokerPart].CPU) / 1e6 / scaleHosts, Unit: "ms"})
	return nil
}

// holdingOf asks the broker what it has, once it has cleaned up.
func holdingOf(ctx context.Context, node *rabbit.Node, pid int) (h holding, err error) {
	value, err := node.Eval(ctx, `[garbage_collect(P) || P <- processes()],
		[erlang:memory(total), erlang:system_info(process_count), length(rabbit_amqqueue:list()), length(rabbit_channel:list())].`)
	if err != nil {
		return h, err
	}
	words := strings.Split(strings.Trim(value, "[]"), ",")
	for i, into := range []*float64{&h.erlang, &h.processes, &h.queues, &h.channels} {
		if *into, err = strconv.ParseFloat(strings.TrimSpace(words[i]), 64); err != nil {
			return h, err
		}
	}
	h.erlang /= 1024
	resident, err := part.Resident(pid)
	if err != nil {
		return h, err
	}
	h.resident = float64(resident) / 1024
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	h.descriptors = float64(len(open))
	return h, err
}
