package result

import (
	"testing"
	"time"

	"warren/internal/translate"
)

func TestTransferSaysHowFarItIs(t *testing.T) {
	const mib = 1 << 20
	english := new(translate.Language)
	for _, c := range []struct {
		name string
		Transfer
		want string
	}{
		{"to the broker", Transfer{Done: 40 * mib, Size: 200 * mib, Elapsed: 4 * time.Second}, "sent 40.0 MiB of 200.0 MiB, 10.0 MiB/s, 16.0s left"},
		{"of unknown size", Transfer{Received: true, Done: 40 * mib, Elapsed: 4 * time.Second}, "received 40.0 MiB, 10.0 MiB/s"},
		{
			"the slowest hosts", Transfer{Received: true, Done: 6 * mib, Elapsed: 2 * time.Second, Hosts: []HostTransfer{
				{Host: "web01", Done: 3 * mib}, {Host: "web02", Done: 2 * mib}, {Host: "web03", Done: mib}, {Host: "web04"}, {Host: "gone", Ended: true},
			}}, "received 6.0 MiB, 3.0 MiB/s; slowest: web04 0 B, web03 1.0 MiB, web02 2.0 MiB and 1 more",
		},
		{
			"by their share, without those that are done", Transfer{Done: 7 * mib, Size: 16 * mib, Elapsed: time.Second, Hosts: []HostTransfer{
				{"small", mib, 2 * mib, false}, {"large", 2 * mib, 10 * mib, false}, {"done", 4 * mib, 4 * mib, false},
			}}, "sent 7.0 MiB of 16.0 MiB, 7.0 MiB/s, 1.0s left; slowest: large 2.0 MiB, small 1.0 MiB",
		},
		{"one host", Transfer{Received: true, Done: mib, Elapsed: time.Second, Hosts: []HostTransfer{{Host: "web01", Done: mib}}}, "received 1.0 MiB, 1.0 MiB/s"},
		{"nothing yet", Transfer{Done: 0, Size: 4, Elapsed: 0}, "sent 0 B of 4 B, 0 B/s, 4.0s left"},
	} {
		if got := c.Text(english); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
