package dispatcher

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Each host has the broker's verdict on the one message for it; a message in doubt is sent
// again, and a host without a verdict is unknown.
func TestReachIsWhatTheBrokerDoesWithAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got := make(chan []model.Reach, 1)
		go func() { got <- r.d.Reach(ctx, []string{"absent", "down", "silent", "forbidden", "late"}) }()
		for _, k := range []broker.Kind{broker.Returned, broker.Unconfirmed, broker.Routed, broker.Refused} {
			if p := r.take(k); p.Exchange != wire.ExchangeHosts || !p.Mandatory || p.Msg.Type != wire.TypeProbe || len(p.Msg.Body) > 0 {
				t.Errorf("published %+v", p)
			}
		}
		if p := <-r.out; p.Key != wire.HostKey("late") {
			t.Errorf("published to %q", p.Key)
		}
		if p := r.take(broker.Nacked); p.Key != wire.HostKey("down") {
			t.Errorf("again to %q", p.Key)
		}
		want := []model.Reach{model.NotConnected, model.NotAccepted, model.Unanswered, model.ReachUnknown, model.ReachUnknown}
		if reach := <-got; !slices.Equal(reach, want) {
			t.Errorf("%v, want %v", reach, want)
		}
	})
}
