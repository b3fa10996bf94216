package filesend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/filestream"
	"warren/internal/operator/model"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

// What the broker ends a connection with.
var (
	goesDown    = fault{amqp.ConnectionForced, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"}
	lacksNodes  = fault{amqp.InternalError, "INTERNAL_ERROR - Cannot declare a queue 'queue 'q' in vhost '/'' on node 'rabbit@a': {error,coordinator_unavailable}"}
	outOfMemory = fault{amqp.ResourceError, "RESOURCE_ERROR - no room"}
	disabled    = fault{
		amqp.InternalError,
		"INTERNAL_ERROR - Cannot declare a queue 'queue 'q' in vhost '/'' of type 'rabbit_stream_queue' on node 'rabbit@a': the corresponding feature flag is disabled",
	}
	unknownType = fault{amqp.NotImplemented, "NOT_IMPLEMENTED - queue type"}
)

// A method is a request of AMQP: its class and its number.
type method [2]uint16

// methodFrame is the type of a frame with a method.
const methodFrame = 1

var (
	queueDeclare = method{50, 10}
	queueBind    = method{50, 20}
	queueDelete  = method{50, 40}
)

type fault struct {
	code int
	text string
}

// A faultyBroker is between the client and the broker, and ends connections instead of passing on some
// requests.
type faultyBroker struct {
	url    string
	broker string // its address

	mu     sync.Mutex
	faults map[method][]fault // one for each request that comes
	ended  chan struct{}      // gets one for each fault
}

func newFaultyBroker(t *testing.T, brokerURL string, faults map[method][]fault) *faultyBroker {
	t.Helper()
	u, err := url.Parse(brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyBroker{broker: u.Host, faults: faults, ended: make(chan struct{}, 100)}
	u.Host = l.Addr().String()
	f.url = u.String()
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { f.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		connections.Wait()
	})
	return f
}

// next returns the fault of a request, if it has one.
func (f *faultyBroker) next(m method) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults[m]) == 0 {
		return fault{}, false
	}
	next := f.faults[m][0]
	f.faults[m] = f.faults[m][1:]
	return next, true
}

func (f *faultyBroker) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", f.broker)
	if err != nil {
		return
	}
	var faulty atomic.Bool
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		_, _ = io.Copy(client, server)
		if !faulty.Load() { // the broker has ended it
			client.Close()
		}
	}()
	defer func() {
		server.Close()
		<-passed
	}()
	if _, err := io.CopyN(server, client, int64(len("AMQP0091"))); err != nil {
		return
	}
	for {
		frame, m, err := readFrame(client)
		if err != nil {
			return
		}
		if next, ok := f.next(m); ok {
			faulty.Store(true)
			server.Close()
			<-passed
			next.end(client)
			f.ended <- struct{}{}
			return
		}
		if _, err := server.Write(frame); err != nil {
			return
		}
	}
}

// readFrame returns a frame and its method; zero if it has none.
func readFrame(r io.Reader) (frame []byte, m method, err error) {
	head := make([]byte, 7)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, m, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
	_, err = io.ReadFull(r, payload)
	if head[0] == methodFrame && len(payload) > 4 {
		m = method{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
	}
	return slices.Concat(head, payload), m, err
}

// end sends connection.close, and awaits the end of the connection.
func (f fault) end(client net.Conn) {
	payload := append(binary.BigEndian.AppendUint16([]byte{0, 10, 0, 50}, uint16(f.code)), byte(len(f.text)))
	payload = append(append(payload, f.text...), 0, 0, 0, 0)
	frame := append(binary.BigEndian.AppendUint32([]byte{methodFrame, 0, 0}, uint32(len(payload))), payload...)
	_, _ = client.Write(append(frame, 0xCE))
	_, _ = io.Copy(io.Discard, client)
}

// A place has a virtual host, and the data directory of an operator.
type place struct {
	t    *testing.T
	url  string
	data string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t, rabbittest.Vhost(t), t.TempDir()}
	if err := broker.DeclareExchange(p.dial(), wire.ExchangeHosts, amqp.ExchangeTopic); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) dial() *amqp.Connection {
	p.t.Helper()
	c, err := amqp.Dial(p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// streams returns those of a process, at a broker.
func (p *place) streams(url string) *Streams {
	s := New(p.data, broker.Options{Dial: dial.Options{URLs: []string{url}}})
	p.t.Cleanup(s.Close)
	return s
}

// content has a name of its own.
func (p *place) content(name string) Content {
	p.t.Helper()
	key, err := filestream.NewKey()
	if err != nil {
		p.t.Fatal(err)
	}
	return Content{
		Queue: wire.FileQueue("guest", name+rand.Text()), Key: key, Size: 10,
		Open:   func(int64) io.ReadCloser { return io.NopCloser(bytes.NewReader(make([]byte, 10))) },
		Failed: func(reason error) { p.t.Errorf("the content was not sent: %v", reason) },
	}
}

// want checks whether the broker has a stream, and the directory its record.
func (p *place) want(when, queue string, stream, record bool) {
	p.t.Helper()
	ch, err := p.dial().Channel()
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil && !broker.IsNotFound(err) {
		p.t.Fatal(err)
	}
	if (err == nil) != stream {
		p.t.Errorf("%s: the broker has the stream: %v, want %v", when, err == nil, stream)
	}
	if _, err := os.Stat(filepath.Join(p.data, directory, queue)); (err == nil) != record {
		p.t.Errorf("%s: the stream has a record: %v, want %v", when, err == nil, record)
	}
}

// A node that goes down, or a cluster that lacks nodes, does not keep the content from going through a
// stream.
func TestStreamIsMadeAfterPassingFaults(t *testing.T) {
	p := newPlace(t)
	for _, m := range []method{queueDeclare, queueBind} {
		f := newFaultyBroker(t, p.url, map[method][]fault{m: {goesDown, lacksNodes, outOfMemory}})
		s := p.streams(f.url)
		st, err := s.Send(t.Context(), p.content("made"))
		if err != nil {
			t.Fatalf("%v: %v", m, err)
		}
		if len(f.ended) != 3 {
			t.Errorf("%v: %d faults", m, len(f.ended))
		}
		p.want("made", st.Queue, true, true)
		st.Release()
		<-st.finished
		p.want("released", st.Queue, false, false)
	}
}

// Whether a broker has streams at all is not decided by the code alone.
func TestBrokerWithoutStreams(t *testing.T) {
	p := newPlace(t)
	for _, m := range []method{queueDeclare, queueBind} {
		for _, refusal := range []fault{disabled, unknownType} {
			c := p.content("refused")
			s := p.streams(newFaultyBroker(t, p.url, map[method][]fault{m: {refusal}}).url)
			if _, err := s.Send(t.Context(), c); !errors.Is(err, filestream.ErrNoStream) || !strings.Contains(err.Error(), refusal.text) {
				t.Errorf("%v, %d: %v", m, refusal.code, err)
			}
			halfMade := m == queueBind // and the connection is lost
			p.want("refused", c.Queue, halfMade, halfMade)
		}
	}
}

// No fault of the moment leaves a stream behind.
func TestStreamIsDeletedAfterPassingFaults(t *testing.T) {
	p := newPlace(t)
	f := newFaultyBroker(t, p.url, map[method][]fault{queueDelete: {goesDown, lacksNodes}})
	s := p.streams(f.url)
	st, err := s.Send(t.Context(), p.content("deleted"))
	if err != nil {
		t.Fatal(err)
	}
	st.Release()
	<-st.finished
	if len(f.ended) != 2 || st.err != nil {
		t.Errorf("%d faults, %v", len(f.ended), st.err)
	}
	p.want("released", st.Queue, false, false)
}

// nobody needs a stream.
func nobody(string, string, bool) bool { return false }

// A process that ends before the broker can delete its stream leaves the record, by which a later
// one deletes the stream.
func TestLaterProcessDeletesWhatTheBrokerCouldNot(t *testing.T) {
	p := newPlace(t)
	f := newFaultyBroker(t, p.url, map[method][]fault{queueDelete: slices.Repeat([]fault{lacksNodes}, 1000)})
	s := p.streams(f.url)
	var queues []string
	for _, name := range []string{"a", "b"} {
		st, err := s.Send(t.Context(), p.content(name))
		if err == nil {
			err = s.Assign(st, "task", "lease")
		}
		if err != nil {
			t.Fatal(err)
		}
		st.Release()
		<-f.ended
		queues = append(queues, st.Queue)
	}
	s.stop() // as Close does after a while
	s.Close()
	for _, queue := range queues {
		p.want("ended", queue, true, true)
	}
	again := newFaultyBroker(t, p.url, map[method][]fault{queueDelete: {goesDown}})
	if _, err := p.streams(again.url).Sweep(t.Context(), nobody); err == nil || !strings.Contains(err.Error(), "CONNECTION_FORCED") {
		t.Errorf("a fault while it deletes: %v", err)
	}
	p.want("a fault", queues[0], true, true)
	p.want("the connection after it", queues[1], false, false)
	if _, err := p.streams(p.url).Sweep(t.Context(), nobody); err != nil {
		t.Error(err)
	}
	p.want("swept", queues[0], false, false)
}

// A login that may not delete its stream does not try forever, and the record stays.
func TestRefusedDeletionKeepsTheRecord(t *testing.T) {
	p := newPlace(t)
	node := rabbittest.Node(t)
	login := "filesend-" + rand.Text() // the node is shared
	u, err := node.AddUser(t.Context(), t.Name(), login, "pw", ".*", ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	permit := func(configure string) {
		t.Helper()
		if err := rabbit.Permit(context.Background(), node, t.Name(), login, configure, ".*", ".*"); err != nil {
			t.Fatal(err)
		}
	}
	// A channel may do for a while what it has done; the next connection may not.
	s := p.streams(newFaultyBroker(t, u, map[method][]fault{queueDelete: {goesDown}}).url)
	st, err := s.Send(t.Context(), p.content("kept"))
	if err == nil {
		err = s.Assign(st, "task", "lease")
	}
	if err != nil {
		t.Fatal(err)
	}
	permit("^$")
	st.Release()
	<-st.finished
	p.want("refused", st.Queue, true, true)
	c := p.content("never made")
	if _, err := s.Send(t.Context(), c); !errors.Is(err, filestream.ErrNoStream) {
		t.Errorf("without permission: %v", err)
	}
	p.want("without permission", c.Queue, false, false)
	if _, err := s.Sweep(t.Context(), nobody); err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") {
		t.Errorf("without permission: %v", err)
	}
	permit(".*")
	if _, err := s.Sweep(t.Context(), nobody); err != nil {
		t.Error(err)
	}
	p.want("permitted again", st.Queue, false, false)
}

// Content that cannot be read ends its stream, also if that takes a second connection.
func TestStreamOfUnreadableContentIsDeleted(t *testing.T) {
	p := newPlace(t)
	f := newFaultyBroker(t, p.url, map[method][]fault{queueDelete: {goesDown}})
	c := p.content("unreadable")
	opened := 0
	c.Open = func(int64) io.ReadCloser {
		opened++
		return io.NopCloser(bytes.NewReader(make([]byte, 9)))
	}
	failed := make(chan error, 1)
	c.Failed = func(reason error) { failed <- reason }
	s := p.streams(f.url)
	st, err := s.Send(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Want(st, model.Transfer{Wanted: 10})
	<-st.finished
	if err := <-failed; !strings.Contains(err.Error(), "cannot read the content") || opened != 1 || len(f.ended) != 1 {
		t.Errorf("%v; read %d times, %d faults", err, opened, len(f.ended))
	}
	p.want("unreadable", c.Queue, false, false)
}

// A stream that is not wanted any more is not made.
func TestReleasedStreamIsNotMadeLater(t *testing.T) {
	p := newPlace(t)
	f := newFaultyBroker(t, p.url, map[method][]fault{queueDeclare: slices.Repeat([]fault{lacksNodes}, 1000)})
	s := p.streams(f.url)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.ended
		cancel()
	}()
	c := p.content("late")
	if _, err := s.Send(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	for st := range s.all() {
		<-st.finished
	}
	p.want("given up", c.Queue, false, false)
}
