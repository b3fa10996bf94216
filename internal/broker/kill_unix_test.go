//go:build unix

package broker

import (
	"context"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/testlab/rabbit/rabbittest"
)

// The broker dies in the middle: every publication that was taken has exactly
// one verdict, and publishing goes on once it is back.
func TestKillInTheMiddle(t *testing.T) {
	node := rabbittest.Node(t)
	p := NewPublisher(0)
	l := newLink(t, Options{Dial: dial.Options{URLs: []string{node.URL()}}})
	start(t, func(ctx context.Context) error {
		return l.Run(ctx, func(ctx context.Context, s *Session) error {
			if _, err := DeclareQueue(s.Conn, ExclusiveQueue("test.kill", 0, 0)); err != nil {
				return err
			}
			s.Ready()
			return p.Serve(ctx, s)
		})
	})
	const taken, last = 3000, DefaultWindow / 2 // the last ones are taken while the broker is stopped
	answers := make(chan Verdict, taken)
	counts, seen := map[Kind]int{}, make([]bool, taken)
	publishAll := func(from, to int) {
		for ref := from; ref < to; ref++ {
			p.In() <- &Publication{Key: "test.kill", Mandatory: true, Answer: answers, Ref: uint64(ref), Msg: amqp.Publishing{Body: make([]byte, 300)}}
		}
	}
	judgeAll := func(n int) {
		t.Helper()
		for range n {
			v := receive(t, answers)
			if seen[v.Ref] {
				t.Fatalf("two verdicts for publication %d", v.Ref)
			}
			seen[v.Ref] = true
			counts[v.Kind]++
		}
	}
	publishAll(0, taken-last)
	judgeAll(taken - last)
	if err := syscall.Kill(node.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	publishAll(taken-last, taken)
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	judgeAll(last)
	t.Logf("%d taken: %v", taken, counts)
	if counts[Routed] < taken-last || counts[Unconfirmed] < last/2 || counts[Returned]+counts[Nacked] > 0 {
		t.Errorf("verdicts: %v", counts)
	}
	select {
	case p.In() <- &Publication{Answer: answers}:
		t.Error("a publication is taken while there is no link")
	default:
	}
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, l.State(), "up", isUp)
	if v := receive(t, publish(t, p, Publication{Key: "test.kill", Mandatory: true})); v.Kind != Routed {
		t.Errorf("after the restart: %+v", v)
	}
	if len(answers) > 0 {
		t.Error("more verdicts than publications")
	}
}
