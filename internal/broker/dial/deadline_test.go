package dial

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe() // the other end neither reads nor writes
		defer ours.Close()
		defer theirs.Close()
		c := &deadlineConn{Conn: ours, timeout: 10 * time.Second}
		write := func() error { _, err := c.Write([]byte("x")); return err }
		read := func() error { _, err := c.Read(make([]byte, 1)); return err }
		expect := func(what string, call func() error, want time.Duration) {
			t.Helper()
			began := time.Now()
			if err := call(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("%s waits %v, not %v", what, took, want)
			}
		}
		set := func(f func(time.Time) error, d time.Duration) {
			if err := f(time.Now().Add(d)); err != nil {
				t.Fatal(err)
			}
		}

		expect("a write", write, 10*time.Second)
		set(c.SetDeadline, 2*time.Second)
		expect("a write with a nearer deadline over all", write, 2*time.Second)
		set(c.SetDeadline, 2*time.Second)
		set(c.SetReadDeadline, time.Minute)
		expect("a read with a nearer deadline over all", read, 2*time.Second)
		set(c.SetDeadline, time.Hour)
		set(c.SetReadDeadline, time.Second)
		expect("a read with a farther deadline over all", read, time.Second)
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		expect("a write with the deadline over all lifted", write, 10*time.Second)
		set(c.SetReadDeadline, time.Minute)
		expect("a read with the deadline over all lifted", read, time.Minute)
	})
}
