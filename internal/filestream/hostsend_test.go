package filestream

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/wire"
)

// A distributing is a distribution whose publications the test takes, instead of a broker.
type distributing struct {
	*distribution
	t    *testing.T
	in   chan *broker.Publication
	tell chan []Destination
	done chan error

	verdict broker.Kind // on each publication
}

// distribute starts one for a content of so many chunks. It must run in a bubble.
func distribute(t *testing.T, chunks int64) *distributing {
	_, b := newTestBox(t)
	content := make([]byte, chunks*wire.MaxFileChunk)
	keep, tell := make(chan struct{}), make(chan []Destination, 1)
	s := &HostSender{
		Size: int64(len(content)), Hosts: tell, Keep: keep,
		Open: func(offset int64) io.ReadCloser { return io.NopCloser(bytes.NewReader(content[offset:])) },
	}
	d := &distributing{t: t, in: make(chan *broker.Publication), tell: tell, done: make(chan error, 1), verdict: broker.Routed}
	d.distribution = newDistribution(s, b)
	go func() { d.done <- d.run(context.Background(), d.in) }()
	t.Cleanup(func() {
		close(keep)
		if err := <-d.done; err != nil {
			t.Error(err)
		}
	})
	return d
}

// sent returns the indexes of the chunks that are sent to a job before everything waits.
func (d *distributing) sent() map[string][]int64 {
	all := map[string][]int64{}
	for {
		synctest.Wait()
		select {
		case p := <-d.in:
			all[p.Msg.CorrelationId] = append(all[p.Msg.CorrelationId], p.Msg.Headers[headerIndex].(int64))
			d.verdicts <- broker.Verdict{Ref: p.Ref, Kind: d.verdict}
		default:
			return all
		}
	}
}

func (d *distributing) want(when, job string, indexes ...int64) {
	d.t.Helper()
	if got := d.sent()[job]; !slices.Equal(got, indexes) {
		d.t.Errorf("%s: job %s gets the chunks %v, want %v", when, job, got, indexes)
	}
}

func received(job string, chunks, wanted int64) Destination {
	return Destination{Host: "web01", Job: job, Received: chunks * wire.MaxFileChunk, Wanted: wanted * wire.MaxFileChunk}
}

func TestHostSenderSendsAWindowAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.want("before it wants any", "a")
		d.tell <- []Destination{received("a", 0, 20)}
		d.want("at first", "a", 0, 1, 2, 3, 4, 5, 6, 7)
		d.tell <- []Destination{received("a", 3, 20)}
		d.want("after three arrived", "a", 8, 9, 10)
		d.tell <- []Destination{received("a", 11, 20)}
		d.want("at the end", "a", 11, 12, 13, 14, 15, 16, 17, 18)
		d.tell <- []Destination{received("a", 19, 20)}
		d.want("at the end", "a", 19)
	})
}

func TestHostSenderSendsNoMoreThanIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.tell <- []Destination{{Job: "a", Wanted: 2*wire.MaxFileChunk + 1}}
		d.want("of a manifest", "a", 0, 1, 2)
		d.tell <- []Destination{received("a", 0, 20)} // it compared, and begins again with everything
		d.want("then", "a", 0, 1, 2, 3, 4, 5, 6, 7)
	})
}

// A helper that has compared the manifest reads everything from the beginning.
func TestHostSenderBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 4)
		d.tell <- []Destination{received("a", 0, 2)}
		d.want("of the manifest", "a", 0, 1)
		d.tell <- []Destination{received("a", 2, 2)}
		d.want("of the manifest", "a")
		d.tell <- []Destination{received("a", 0, 4)}
		d.want("from the beginning", "a", 0, 1, 2, 3)
	})
}

func TestHostSenderSendsLostChunksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.tell <- []Destination{received("a", 0, 20)}
		d.want("at first", "a", 0, 1, 2, 3, 4, 5, 6, 7)
		d.tell <- []Destination{received("a", 2, 20)}
		d.want("after two arrived", "a", 8, 9)
		time.Sleep(hostSilence - 2*time.Second)
		d.want("soon", "a")
		time.Sleep(4 * time.Second)
		d.want("after the silence", "a", 2) // one: the host may be away
		time.Sleep(hostSilence + 2*time.Second)
		d.want("after as long", "a")
		time.Sleep(hostSilence)
		d.want("after twice as long", "a", 2)
		d.tell <- []Destination{received("a", 3, 20)}
		d.want("when the host is back", "a", 3, 4)
		d.tell <- []Destination{received("a", 5, 20)}
		d.want("when it goes on", "a", 5, 6, 7, 8)
	})
}

func TestHostSenderWaitsForHostThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.verdict = broker.Returned
		d.tell <- []Destination{received("a", 2, 20)}
		d.want("at first", "a", 2)
		for range 3 {
			time.Sleep(awayInterval)
			d.want("a second later", "a", -1) // without content: it may go on for long
		}
		d.verdict = broker.Routed
		time.Sleep(awayInterval)
		d.want("when its queue is back", "a", -1, 2, 3, 4, 5, 6, 7, 8, 9)
	})
}

func TestHostSenderRepeatsWhatItsConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.tell <- []Destination{received("a", 0, 20)}
		synctest.Wait()
		p := <-d.in
		d.verdicts <- broker.Verdict{Ref: p.Ref, Kind: broker.Unconfirmed}
		synctest.Wait()
		if again := <-d.in; again.Msg.Headers[headerIndex] != int64(0) {
			t.Errorf("chunk %v is sent, want the lost one", again.Msg.Headers[headerIndex])
		}
	})
}

func TestHostSenderBoundsWhatTheBrokerKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		all := make([]Destination, 1000)
		for i := range all {
			all[i] = received(string(rune('a'+i)), 0, 20)
		}
		d.tell <- all
		sent, hosts := 0, d.sent()
		for _, indexes := range hosts {
			sent += len(indexes)
		}
		if sent != totalWindow || len(hosts) != totalWindow {
			t.Errorf("%d chunks are on the way to %d hosts, want %d to as many", sent, len(hosts), totalWindow)
		}
		d.tell <- all[len(all)-10:] // the other jobs have ended
		if hosts := d.sent(); len(hosts) != 10 {
			t.Errorf("then %d hosts get chunks, want the 10 that are left", len(hosts))
		}
	})
}

// Hosts give up after two minutes without a message.
func TestHostSenderTellsHostsToWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 20)
		d.limit = newLimit(16 << 10) // a chunk takes 8 s
		var all []Destination
		for i := range 40 {
			all = append(all, received(string(rune('a'+i)), 0, 20))
		}
		d.tell <- all
		last, chunks := map[string]time.Time{}, map[string]int{}
		for _, h := range all {
			last[h.Job] = time.Now()
		}
		for begin := time.Now(); time.Since(begin) < 10*time.Minute; {
			p := <-d.in
			d.verdicts <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			job := p.Msg.CorrelationId
			if silent := time.Since(last[job]); silent > time.Minute {
				t.Fatalf("host %s heard nothing for %v", job, silent)
			}
			last[job] = time.Now()
			if p.Msg.Headers[headerIndex] != int64(-1) {
				chunks[job]++
			}
		}
		if len(chunks) < len(all) {
			t.Errorf("%d hosts got content, want all %d", len(chunks), len(all))
		}
	})
}

// Hosts that have what they want take no room from others, whatever the size of the content.
func TestHostSenderServesOthersWhileHostsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 2)
		all := make([]Destination, 2*totalWindow)
		for i := range all {
			all[i] = Destination{Host: "web01", Job: string(rune('a' + i)), Wanted: 100} // less than a chunk
		}
		d.tell <- all
		if hosts := d.sent(); len(hosts) != totalWindow {
			t.Fatalf("%d hosts get content, want %d", len(hosts), totalWindow)
		}
		for i := range totalWindow {
			all[i].Received = 100
		}
		d.tell <- all
		if hosts := d.sent(); len(hosts) != totalWindow {
			t.Errorf("then %d hosts get content, want the others", len(hosts))
		}
	})
}

// Each message has a nonce of its own: the file may have changed since a chunk was first sent.
func TestHostSenderRepeatsNoNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := distribute(t, 2)
		d.tell <- []Destination{received("a", 0, 2), received("b", 0, 2)}
		seen := map[int32]bool{}
		for range 4 {
			p := <-d.in
			d.verdicts <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			attempt := p.Msg.Headers[headerAttempt].(int32)
			if seen[attempt] {
				t.Errorf("two messages have the attempt %d", attempt)
			}
			seen[attempt] = true
		}
	})
}
