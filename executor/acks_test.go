package executor

import (
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/wire"
)

func TestAcknowledgementLeavesWithTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		r.finish <- exited(0)
		p := <-r.out
		if len(p.Acks) != 1 || p.Acks[0].CorrelationId != job || r.acks.Load() != 0 {
			t.Errorf("%d acknowledgements with the reply, %d before", len(p.Acks), r.acks.Load())
		}
		p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Nacked} // it is sent again
		if p := <-r.out; len(p.Acks) != 0 {
			t.Error("acknowledged once more")
		}
	})
}

// Without a reply, an acknowledgement is sent after a while, or when many wait.
func TestAcknowledgementDoesNotWaitLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		d := func(inbox bool) delivery {
			return delivery{Delivery: amqp.Delivery{Acknowledger: acker{r}}, inbox: inbox}
		}
		var a pendingAcks
		now := time.Now()
		for i := range maxPendingAcks {
			a.add([]delivery{d(false)}, now.Add(time.Duration(i)))
		}
		a.tick(now.Add(ackDelay - 1))
		if n := r.acks.Load(); n != 0 {
			t.Errorf("%d acknowledged at once", n)
		}
		a.add([]delivery{d(true)}, now)
		if n := r.acks.Load(); n != 1 {
			t.Errorf("of the inbox %d acknowledged at once", n)
		}
		a.add([]delivery{d(false)}, now)
		if n := r.acks.Load(); n != maxPendingAcks+2 || len(a.deliveries) != 0 {
			t.Errorf("of many %d acknowledged", n)
		}
		a.add([]delivery{d(false)}, now)
		a.tick(now.Add(ackDelay))
		if n := r.acks.Load(); n != maxPendingAcks+3 || len(a.deliveries) != 0 {
			t.Errorf("in time %d acknowledged", n)
		}
	})
}
