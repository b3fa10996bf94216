package hostexpr

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// fleets are host names that fold badly.
var fleets = map[string]func(n int) []string{
	// No two of them ever become one.
	"a diagonal": func(n int) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("r%dn%d", i, i)
		}
		return names
	},
	// A hole in each row: no two neighbors are alike.
	"three numbers": func(n int) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("r%dn%03d.rack%d.example.com", i%97, i*7%1000, i%13)
		}
		return names
	},
	"half of a grid": func(n int) []string {
		r := rand.New(rand.NewPCG(1, 2))
		var names []string
		for i := 0; len(names) < n; i++ {
			if r.IntN(2) == 0 {
				names = append(names, fmt.Sprintf("r%dn%d", i/100, i%100))
			}
		}
		return names
	},
	"addresses": func(n int) []string {
		r := rand.New(rand.NewPCG(3, 4))
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(256), r.IntN(256))
		}
		return names
	},
	"scattered": func(n int) []string {
		r := rand.New(rand.NewPCG(5, 6))
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("i-%08x", r.Uint32())
		}
		return names
	},
	"one number": func(n int) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("web%05d", i*3)
		}
		return names
	},
}

// BenchmarkFold folds 10,000 names.
func BenchmarkFold(b *testing.B) {
	for name, fleet := range fleets {
		b.Run(name, func(b *testing.B) {
			names := fleet(10_000)
			for b.Loop() {
				Fold(names)
			}
		})
	}
}

func BenchmarkExpand(b *testing.B) {
	for b.Loop() {
		if _, err := Expand("r[1-100]n[001-100]!r[1-100/2]n[001-100/2]", 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFoldGrowsLittleFasterThanItsNames: eight times the names may cost three
// times what a fold in linear time would; comparing each with each costs eight
// times that, where none of them become one.
func TestFoldIsNearlyLinear(t *testing.T) {
	const small, factor, slack = 2000, 8, 3
	for _, name := range []string{"a diagonal", "addresses"} {
		fleet := fleets[name]
		few, many := fleet(small), fleet(small*factor)
		var ratio float64
		for range 5 { // another load on the machine spoils a measurement
			Fold(few)
			if ratio = float64(fastest(many)) / float64(fastest(few)); ratio < factor*slack {
				break
			}
		}
		if ratio >= factor*slack {
			t.Errorf("%s: %d times the names take %.0f times as long", name, factor, ratio)
		}
	}
}

func fastest(names []string) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range 2 {
		start := time.Now()
		Fold(names)
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkFoldPlain is what people have: one range of 1000.
func BenchmarkFoldPlain(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("web%04d", i+1)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := Fold(names); got != "web[0001-1000]" {
			b.Fatal(got)
		}
	}
}
