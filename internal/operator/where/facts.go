package where

import (
	"maps"
	"slices"

	"warren/internal/wire"
)

// facts are what a condition may call by name. A value is nil, a string, a
// float64, or a []string.
var facts = map[string]func(h *wire.Hello) any{
	"name":                 func(h *wire.Hello) any { return text(h.Agent) },
	"names":                func(h *wire.Hello) any { return list(h.Names) },
	"hostname":             func(h *wire.Hello) any { return text(h.Facts.Hostname) },
	"os":                   func(h *wire.Hello) any { return text(h.Facts.OS) },
	"arch":                 func(h *wire.Hello) any { return text(h.Facts.Arch) },
	"version":              func(h *wire.Hello) any { return text(h.Facts.Version) },
	"distribution":         func(h *wire.Hello) any { return text(h.Facts.Distribution) },
	"distribution_version": func(h *wire.Hello) any { return text(h.Facts.DistributionVersion) },
	"kernel":               func(h *wire.Hello) any { return text(h.Facts.Kernel) },
	"addresses":            func(h *wire.Hello) any { return list(h.Facts.Addresses) },
	"cpus":                 func(h *wire.Hello) any { return known(int64(h.Facts.CPUs)) },
	"memory":               func(h *wire.Hello) any { return known(h.Facts.Memory) },
	"uptime":               func(h *wire.Hello) any { return since(h, h.Facts.BootedAt) },
	"agent_uptime":         func(h *wire.Hello) any { return since(h, h.Facts.StartedAt) },
	"running":              func(h *wire.Hello) any { return float64(h.Running) },
	"queued":               func(h *wire.Hello) any { return float64(h.Queued) },
	"workers":              func(h *wire.Hello) any { return float64(h.Workers) },
}

// constants are for facts in bytes and in seconds.
var constants = map[string]float64{
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400,
}

// The names of all labels of a host, and of all variables that an inventory has of it.
const (
	labels    = "labels"
	variables = "vars"
)

// isMapName reports whether a name stands for labels or variables, which have members.
func isMapName(name string) bool { return name == labels || name == variables }

func isFact(name string) bool {
	_, constant := constants[name]
	return facts[name] != nil || constant || isMapName(name)
}

// Facts are the names of what is known of a host, labels apart.
func Facts() []string { return slices.Sorted(maps.Keys(facts)) }

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func list(words []string) any {
	if len(words) == 0 {
		return nil
	}
	return words
}

func known(n int64) any {
	if n == 0 {
		return nil
	}
	return float64(n)
}

// since is how many seconds had passed when the host answered, by its own clock.
func since(h *wire.Hello, start int64) any {
	if start == 0 {
		return nil
	}
	return float64(max(0, h.At-start) / 1000)
}

// lookup returns the value of a name; nil is unknown. A fact hides a label of the same
// name, which labels["…"] still returns.
func lookup(h *wire.Hello, name string) any {
	if fact := facts[name]; fact != nil {
		return fact(h)
	}
	if n, ok := constants[name]; ok {
		return n
	}
	return label(h, name)
}

// label is nil where the host has none of that name; one may be empty.
func label(h *wire.Hello, name string) any {
	if value, ok := h.Facts.Labels[name]; ok {
		return value
	}
	return nil
}
