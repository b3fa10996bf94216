package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestStages(t *testing.T) {
	for _, c := range []struct {
		text  string
		hosts int
		want  []int
	}{
		{"1,10%,100%", 30, []int{1, 3, 30}},
		{"1, 10%, 100%", 200, []int{1, 20, 200}},
		{"1,10%,100%", 5, []int{1, 5}}, // 10% are one host, which is there already
		{"1,10%,100%", 1, []int{1}},
		{"10%", 95, []int{10}}, // the rest is left
		{"2,5", 3, []int{2, 3}},
		{"0.5%,100%", 1000, []int{5, 1000}},
		{"100%", 7, []int{7}},
		{"5,5%", 100, []int{5}},
	} {
		var s Stages
		if err := s.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, err := s.Of(c.hosts); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s of %d: %v, %v; want %v", c.text, c.hosts, got, err, c.want)
		}
	}
	for _, text := range []string{"", ",", "1,,3", "150%", "x", "-1", "0", "0%", "nan%", "1;2", "5%%", "-5%"} {
		if err := new(Stages).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	for text, hosts := range map[string]int{"10,5": 100, "10,10": 100, "50%,10%": 100, "10,5%": 100, "100%,5": 100, "1,3,2": 10, "20,10": 5} {
		var s Stages
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got, err := s.Of(hosts); err == nil || !strings.Contains(err.Error(), "do not ascend") {
			t.Errorf("%s of %d: %v, %v", text, hosts, got, err)
		}
	}
}

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		text        string
		hosts, want int
	}{{"0", 9, 0}, {"2", 9, 2}, {"5%", 30, 1}, {"5%", 10, 0}, {"100%", 9, 9}} {
		var b MaxFailures
		if err := b.UnmarshalText([]byte(c.text)); err != nil || b.Of(c.hosts) != c.want {
			t.Errorf("%s of %d: %d, %v", c.text, c.hosts, b.Of(c.hosts), err)
		}
	}
}
