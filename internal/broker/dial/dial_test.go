package dial

import (
	"errors"
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

// RabbitMQ hangs up on a wrong password only after 3 s, unless asked to say so.
func TestRefusalIsQuick(t *testing.T) {
	u, err := url.Parse(rabbittest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guest", "wrong")
	began := time.Now()
	err = try(t, Options{URLs: []string{u.String()}})
	if !errors.Is(err, ErrAccessRefused) {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
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
