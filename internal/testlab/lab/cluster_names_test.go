package lab_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
)

// TestClusterNames has three connections fight for one name while nodes are killed and
// return. At most one holds it at any time, and one does within half a minute.
func TestClusterNames(t *testing.T) {
	ctx := clusterContext(t, 8*time.Minute)
	nodes, _ := startCluster(ctx, t)
	var held atomic.Int64 // the contender that holds the name, from 1 on; 0 is nobody
	failed := make(chan error, 3*len(nodes))
	for i := range nodes {
		go contend(ctx, nodes, i, &held, failed)
	}
	await := func(what string) (holder int64) {
		t.Helper()
		begin := time.Now()
		eventually(ctx, t, func() error {
			if holder = held.Load(); holder == 0 {
				return errors.New("nobody holds the name")
			}
			return nil
		})
		t.Logf("%s: contender %d holds the name after %v", what, holder, time.Since(begin).Round(time.Millisecond))
		if time.Since(begin) > backWithin {
			t.Errorf("that is more than %v", backWithin)
		}
		return holder
	}
	holder := await("start")
	for range 3 {
		node := nodes[holder-1]
		if err := node.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, func() error {
			if held.Load() == holder {
				return errors.New("the connection is not lost yet")
			}
			return nil
		})
		holder = await("node killed")
		if err := node.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		// All contend again, for all generations, and nobody gets it.
		for range 20 {
			if got := held.Load(); got != holder {
				t.Fatalf("the node returned, and contender %d holds the name instead of %d", got, holder)
			}
			<-time.After(100 * time.Millisecond)
		}
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// contend takes the name again and again, by its own node alone, and holds it as long as
// the connection lives.
func contend(ctx context.Context, nodes []*rabbit.Node, i int, held *atomic.Int64, failed chan<- error) {
	me := int64(i + 1)
	name := broker.Name{
		Queue:  func(g int) string { return wire.HostQueueGeneration("contended", g) },
		Length: 10, Exchange: wire.ExchangeHosts, Key: "contended", Later: wire.LaterKey("contended"),
		Probe: amqp.Publishing{Type: wire.TypeProbe},
	}
	for ctx.Err() == nil {
		err := func() error {
			c, err := amqp.DialConfig(nodes[i].URL(), amqp.Config{Dial: amqp.DefaultDial(time.Second)})
			if err != nil {
				return nil // the node is down
			}
			defer c.CloseDeadline(time.Now().Add(time.Second))
			lost := c.NotifyClose(make(chan *amqp.Error, 1))
			ch, sub, err := name.Claim(c, wire.Exchanges)
			if err != nil {
				return nil // taken, or the node has gone
			}
			if _, err := broker.Consume(c, ch, sub.Queue, 1, true, sub.Bindings...); err != nil {
				return nil
			}
			if !held.CompareAndSwap(0, me) {
				return fmt.Errorf("contender %d has %s while %d holds the name", me, sub.Queue, held.Load())
			}
			select {
			case <-lost:
			case <-ctx.Done():
			}
			held.CompareAndSwap(me, 0)
			return nil
		}()
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
