package dial

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// sink is a connection that remembers each write.
type sink struct {
	net.Conn
	writes [][]byte
	err    error
}

func (s *sink) Write(b []byte) (int, error) {
	s.writes = append(s.writes, bytes.Clone(b))
	return len(b), s.err
}

func TestCork(t *testing.T) {
	s := &sink{}
	c := &Cork{Conn: s}
	write := func(b string) {
		t.Helper()
		if n, err := c.Write([]byte(b)); n != len(b) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	wrote := func(want ...string) {
		t.Helper()
		if len(s.writes) != len(want) {
			t.Fatalf("%d writes, want %d", len(s.writes), len(want))
		}
		for i, w := range want {
			if string(s.writes[i]) != w {
				t.Errorf("write %d is %.20q of %d bytes", i, s.writes[i], len(s.writes[i]))
			}
		}
		s.writes = nil
	}
	write("a")
	wrote("a")
	c.Cork()
	write("b")
	write("c")
	wrote()
	if err := c.Uncork(); err != nil {
		t.Fatal(err)
	}
	wrote("bc")
	write("d")
	wrote("d")

	large := string(make([]byte, MaxCorked))
	c.Cork()
	write("e")
	write(large) // more than is held back
	write("f")
	if err := c.Uncork(); err != nil {
		t.Fatal(err)
	}
	wrote("e", large, "f")

	c.Cork()
	write("g")
	s.err = errors.New("broken")
	if err := c.Uncork(); !errors.Is(err, s.err) {
		t.Errorf("Uncork after a failed write returns %v", err)
	}
}
