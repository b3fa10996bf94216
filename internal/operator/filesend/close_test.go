package filesend

import (
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
)

// Released streams that cannot be deleted, as without a broker, delay the end of the process
// once.
func TestCloseWaitsOnceForAllStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t.TempDir(), broker.Options{})
		for _, queue := range []string{"a", "b", "c"} {
			st := &Stream{Queue: queue, keep: make(chan struct{}), finished: make(chan struct{})}
			close(st.keep)
			s.open[st] = true
		}
		began := time.Now()
		s.Close()
		if took := time.Since(began); took != deleteTimeout {
			t.Errorf("it took %v, want %v", took, deleteTimeout)
		}
	})
}
