package broker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/hint"
)

func TestPauses(t *testing.T) {
	s := newSchedule(1)
	nominal := []int{250, 500, 1000, 2000, 4000, 8000, 10000, 10000}
	for range 3 {
		for i, ms := range nominal {
			d, want := s.after(0), time.Duration(ms)*time.Millisecond
			if d < want/2 || d > want*3/2+1 {
				t.Errorf("pause %d is %v, want %v ± half", i, d, want)
			}
			if d > 15*time.Second {
				t.Errorf("pause %d is %v, over the cap", i, d)
			}
		}
		if d := s.after(resetInterval); d > 375*time.Millisecond+1 {
			t.Errorf("the pause after a stable link is %v", d)
		}
		s.backOff.Reset()
	}
	for range 6 {
		s.after(0)
	}
	if d := s.after(resetInterval - 1); d < 5*time.Second {
		t.Errorf("a link that was up for a moment resets the pause to %v", d)
	}
}

func TestURLsInTurn(t *testing.T) {
	s := newSchedule(3)
	var tried []int
	for i := range 7 {
		tried = append(tried, s.next)
		if pause := s.after(0); (pause > 0) != (i%3 == 2) {
			t.Errorf("after try %d the pause is %v", i, pause)
		}
	}
	if want := []int{0, 1, 2, 0, 1, 2, 0}; !slices.Equal(tried, want) {
		t.Errorf("tried %v", tried)
	}
	if s.next != 1 {
		t.Fatal(s.next)
	}
	if s.after(time.Second) == 0 || s.next != 1 {
		t.Errorf("after a loss the next is %d, not the one that was good", s.next)
	}
}

// failing returns a Run whose dialing fails, in virtual time.
func failing(opts Options, try func(*dial.Endpoint, dial.Options) error) *linkRun {
	l, err := NewLink(opts)
	if err != nil {
		panic(err)
	}
	return &linkRun{
		endpoints: l.endpoints, opts: l.opts, states: l.states, schedule: newSchedule(len(l.endpoints)),
		dial: func(_ context.Context, ep *dial.Endpoint, o dial.Options) (*dial.Conn, error) {
			return nil, try(ep, o)
		},
	}
}

func TestLoopWaitsBetweenRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began, times := time.Now(), []time.Duration{}
		r := failing(Options{Dial: dial.Options{URLs: []string{"amqp://a", "amqp://b"}}}, func(ep *dial.Endpoint, _ dial.Options) error {
			times = append(times, time.Since(began))
			return &Error{Kind: dial.ErrUnreachable, Message: "no broker at " + ep.Addr(), Hint: "hint"}
		})
		first := r.states.latest()
		if err := r.loop(ctx); err != nil {
			t.Fatal(err)
		}
		if len(times) < 2*240 { // an hour of pauses of at most 15 s
			t.Errorf("tried %d times in an hour", len(times))
		}
		for i := 1; i < len(times); i++ {
			d := times[i] - times[i-1]
			if second := i%2 == 1; second != (d == 0) || d > 15*time.Second {
				t.Errorf("try %d came %v after the one before", i, d)
			}
		}
		if times[2] > 375*time.Millisecond+1 {
			t.Errorf("the first retry came after %v", times[2])
		}
		last := first.Latest()
		if last.Phase != Connecting || !errors.Is(last.Err, dial.ErrUnreachable) || !last.Since.Equal(first.Since) {
			t.Errorf("last state %+v", last)
		}
		if got, want := hint.Text(last.Err), "none of 2 brokers can be used: no broker at a:5672; no broker at b:5672\nhint: hint"; got != want {
			t.Errorf("error %q", got)
		}
	})
}

func TestLoopOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var budgets []time.Duration
		r := failing(Options{Dial: dial.Options{URLs: []string{"amqp://a", "amqp://b"}}, Once: true}, func(ep *dial.Endpoint, o dial.Options) error {
			budgets = append(budgets, o.DialTimeout)
			if ep.Addr() == "a:5672" {
				time.Sleep(o.DialTimeout) // a silent one
				return &Error{Kind: dial.ErrUnreachable, Message: "no a"}
			}
			return &Error{Kind: dial.ErrAccessRefused, Message: "no b", Hint: "b"}
		})
		err := r.loop(t.Context())
		if !errors.Is(err, dial.ErrAccessRefused) {
			t.Errorf("error %v", err)
		}
		if want := []time.Duration{2500 * time.Millisecond, 2500 * time.Millisecond}; !slices.Equal(budgets, want) {
			t.Errorf("the URLs got %v", budgets)
		}
		if time.Since(began) > onceTimeout {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}
