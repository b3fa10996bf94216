// Package facts collects the facts that an agent reports about its machine. It asks
// the kernel and reads two small files. It starts no child process and uses no
// network, and takes well below a millisecond, so an actor may call it in its loop.
package facts

import (
	"net"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

// Collect returns the available facts about this machine. It leaves the agent's own
// facts (version, labels, start time) empty.
func Collect() wire.Facts {
	f := wire.Facts{
		OS: runtime.GOOS, Arch: runtime.GOARCH,
		Addresses: addresses(),
		CPUs:      runtime.NumCPU(),
		CodePage:  process.CodePage(),
	}
	f.Distribution, f.DistributionVersion = distribution()
	f.Distribution, f.DistributionVersion = fit(f.Distribution), fit(f.DistributionVersion)
	if name, err := os.Hostname(); err == nil {
		f.Hostname = fit(name)
	}
	if kernel, err := host.KernelVersion(); err == nil {
		f.Kernel = fit(kernel)
	}
	if m, err := mem.VirtualMemory(); err == nil && m.Total <= wire.MaxSize {
		f.Memory = int64(m.Total)
	}
	if seconds, err := host.BootTime(); err == nil && seconds <= wire.MaxTime/1000 {
		f.BootedAt = int64(seconds) * 1000
	}
	return f
}

// addresses returns the addresses at which other machines may reach this one.
func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	return reachable(all)
}

func reachable(all []net.Addr) []string {
	var texts []string
	for _, a := range all {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() || ip.IP.IsUnspecified() {
			continue
		}
		if texts = append(texts, ip.IP.String()); len(texts) == wire.MaxAddresses {
			break
		}
	}
	return texts
}

// fit makes text valid for a message.
func fit(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "�")
	if len(text) <= wire.MaxFact {
		return text
	}
	n := wire.MaxFact
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
