package dial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

// try connects to the first URL and closes the connection.
func try(t *testing.T, opts Options) error {
	t.Helper()
	eps, err := Endpoints(opts)
	if err != nil {
		return err
	}
	return tryEndpoint(t, &eps[0], opts)
}

func tryEndpoint(t *testing.T, ep *Endpoint, opts Options) error {
	t.Helper()
	c, err := Dial(t.Context(), ep, opts)
	if err != nil {
		return err
	}
	return c.AMQP.CloseDeadline(time.Now().Add(10 * time.Second))
}

// RabbitMQ hangs up on a wrong password only after 3 s, and does not say why, unless asked to.
func TestRefusalIsQuick(t *testing.T) {
	u, err := url.Parse(rabbittest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guest", "wrong")
	if err := try(t, Options{URLs: []string{u.String()}}); !errors.Is(err, ErrAccessRefused) {
		t.Fatal(err)
	}
}

// A peer that is not a broker must not look like a refusal.
func TestHangUpDuringLogin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 8))
			c.Close()
		}
	}()
	if err := try(t, Options{URLs: []string{"amqp://" + l.Addr().String()}}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	<-done
}

// A process that ends while it logs in says goodbye: RabbitMQ warns of clients that hang up.
func TestCanceledLoginIsClosed(t *testing.T) {
	u, err := url.Parse(rabbittest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent bytes.Buffer // to the broker
	done := make(chan error, 1)
	broker := u.Host
	go func() { done <- relayLogin(l, broker, &sent, cancel) }()
	u.Host = l.Addr().String()
	wantCanceled(ctx, t, Options{URLs: []string{u.String()}, leaveTimeout: time.Hour}) // the broker may be busy
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if closing := []byte{0, 10, 0, 50}; !bytes.Contains(sent.Bytes(), closing) { // the method connection.close
		t.Errorf("it sent %q", sent.Bytes())
	}
}

// wantCanceled dials a broker, and wants the dial to end because ctx does.
func wantCanceled(ctx context.Context, t *testing.T, opts Options) {
	t.Helper()
	eps, err := Endpoints(opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.DialTimeout = time.Hour
	if _, err := Dial(ctx, &eps[0], opts); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// relayLogin passes one connection on. It calls begun once the client has sent something.
func relayLogin(l net.Listener, broker string, sent io.Writer, begun func()) error {
	client, err := l.Accept()
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := net.Dial("tcp", broker)
	if err != nil {
		return err
	}
	header := make([]byte, 8)
	if _, err := io.ReadFull(client, header); err != nil {
		return err
	}
	begun()
	if _, err := server.Write(header); err != nil {
		return err
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(client, server) // until either hangs up
	}()
	_, _ = io.Copy(io.MultiWriter(sent, server), client)
	err = server.Close()
	<-back
	return err
}

// A peer that does not answer delays the end of a process a little.
func TestCanceledLoginEndsWithoutAnAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 8))
			cancel()
			_, _ = io.Copy(io.Discard, c) // until the client hangs up
			c.Close()
		}
	}()
	wantCanceled(ctx, t, Options{URLs: []string{"amqp://" + l.Addr().String()}})
	<-done
}
