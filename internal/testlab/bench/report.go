package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// A Report is what a run has found.
type Report struct {
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
	Rounds int    `json:"rounds"`
	Rows   []Row  `json:"rows,omitempty"`
	Bars   []Bar  `json:"bars,omitempty"`

	Figures []Figure `json:"figures,omitempty"`
}

// A Figure is something found that nothing is wanted of.
type Figure struct {
	What  string  `json:"what"`
	Found float64 `json:"found"`
	Unit  string  `json:"unit"`
}

// A Bar is what was found beside what is aimed at.
type Bar struct {
	Number int     `json:"number"`
	What   string  `json:"what"`
	Found  float64 `json:"found"`
	Limit  float64 `json:"limit"` // Found must not be above it
	Unit   string  `json:"unit"`
	Least  bool    `json:"least,omitzero"` // Found must not be below it instead
}

// Met reports whether the bar is met.
func (b Bar) Met() bool { return b.Found <= b.Limit != b.Least || b.Found == b.Limit }

func newReport(c Config) *Report {
	return &Report{CPUs: runtime.NumCPU(), Go: runtime.Version(), Rounds: c.Rounds}
}

func (r *Report) figure(f Figure) { r.Figures = append(r.Figures, f) }

func (r *Report) bar(b Bar) { r.Bars = append(r.Bars, b) }

// JSON writes the report with all its samples.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Text writes the report as Markdown tables, which a terminal shows as well.
func (r *Report) Text(w io.Writer) error {
	var t strings.Builder
	fmt.Fprintf(&t, "%d processors, %s; %d rounds, median (least–most)\n", r.CPUs, r.Go, r.Rounds)
	if len(r.Rows) > 0 {
		fmt.Fprint(&t, "\n| hosts | command | operator | | last result | first result | CPU operator | CPU agents | CPU broker | memory operator | memory agents | memory broker | lost |\n")
		fmt.Fprint(&t, "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
		for _, row := range r.Rows {
			row.text(&t)
		}
	}
	if len(r.Bars) > 0 {
		fmt.Fprint(&t, "\n| bar | what | found | wanted | |\n| ---: | --- | ---: | ---: | --- |\n")
		for _, b := range r.Bars {
			b.text(&t)
		}
	}
	if len(r.Figures) > 0 {
		fmt.Fprint(&t, "\n| what | found |\n| --- | ---: |\n")
		for _, f := range r.Figures {
			fmt.Fprintf(&t, "| %s | %.3g %s |\n", f.What, f.Found, f.Unit)
		}
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func (row *Row) text(w io.Writer) {
	what := "warm"
	if row.Cold {
		what = "whole process"
	}
	for _, x := range []struct {
		name   string
		series Series
	}{{"floor", row.Floor}, {"Warren", row.Warren}} {
		name := x.name
		if name == "Warren" {
			name = fmt.Sprintf("Warren, %.2f ×", row.ratio())
		}
		hosts := fmt.Sprint(row.Hosts)
		if row.Processes {
			hosts += " processes"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |", hosts, row.Runner, what, name, times3(of(x.series, last)), times3(of(x.series, first)))
		for i := range parts {
			fmt.Fprintf(w, " %s |", short(of(x.series, cpu(i)).Median))
		}
		for i := range parts {
			fmt.Fprintf(w, " %s |", mebi(of(x.series, peak(i)).Max))
		}
		fmt.Fprintf(w, " %d |\n", x.series.lost())
	}
}

// ratio is how many times the floor's time Warren's is.
func (row *Row) ratio() float64 {
	return float64(of(row.Warren, last).Median) / float64(of(row.Floor, last).Median)
}

func (b Bar) text(w io.Writer) {
	verdict, sign := "met", "≤"
	if !b.Met() {
		verdict = "**not met**"
	}
	if b.Least {
		sign = "≥"
	}
	fmt.Fprintf(w, "| %d | %s | %.4g %s | %s %.4g %s | %s |\n", b.Number, b.What, b.Found, b.Unit, sign, b.Limit, b.Unit, verdict)
}

func times3(s Spread[time.Duration]) string {
	if s.Max == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s–%s)", short(s.Median), short(s.Min), short(s.Max))
}

// short writes a time with three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func mebi(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}
