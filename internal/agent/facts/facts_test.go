package facts

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCollect(t *testing.T) {
	f := Collect()
	t.Logf("%+v", f)
	f.Version, f.StartedAt = "0.1.0", time.Now().UnixMilli()
	hello := &wire.Hello{Agent: "web01", Names: []string{"web01"}, Facts: f, At: f.StartedAt}
	if _, _, err := wire.EncodeReply(hello); err != nil {
		t.Error(err)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if f.Hostname != name || f.OS != runtime.GOOS || f.CPUs != runtime.NumCPU() {
		t.Errorf("%q %q %d", f.Hostname, f.OS, f.CPUs)
	}
	if f.Memory < 64<<20 || f.Kernel == "" {
		t.Errorf("memory %d, kernel %q", f.Memory, f.Kernel)
	}
	booted := time.UnixMilli(f.BootedAt)
	if age := time.Since(booted); age < 0 || age > 20*365*24*time.Hour {
		t.Errorf("booted at %v", booted)
	}
}

func TestReachable(t *testing.T) {
	var all []net.Addr
	for _, text := range []string{"127.0.0.1/8", "10.0.0.7/24", "::1/128", "fe80::1/64", "fd00::7/64", "169.254.1.1/16", "0.0.0.0/0"} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	if got := strings.Join(reachable(all), " "); got != "10.0.0.7 fd00::7" {
		t.Errorf("got %q", got)
	}
	var many []net.Addr
	for range 3 * wire.MaxAddresses {
		many = append(many, all[1])
	}
	if n := len(reachable(many)); n != wire.MaxAddresses {
		t.Errorf("%d addresses", n)
	}
}

func TestFit(t *testing.T) {
	for text, want := range map[string]string{
		" debian\n": "debian",
		"a\xffb":    "a�b",
		strings.Repeat("x", wire.MaxFact-1) + "ü": strings.Repeat("x", wire.MaxFact-1),
	} {
		if got := fit(text); got != want {
			t.Errorf("fit(%q) = %q", text, got)
		}
	}
}

func BenchmarkCollect(b *testing.B) {
	for b.Loop() {
		Collect()
	}
}
