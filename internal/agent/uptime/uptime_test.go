package uptime

import (
	"testing"
	"time"
)

func TestUptimeAdvances(t *testing.T) {
	a := Now()
	for late := time.Now().Add(10 * time.Second); Now().Up == a.Up; {
		if time.Now().After(late) {
			t.Fatal("it stands still")
		}
	}
	if b := Now(); b.Boot != a.Boot || a.Boot == "" || b.Up < a.Up || b.Up > a.Up+time.Minute {
		t.Errorf("%+v, then %+v", a, b)
	}
}
