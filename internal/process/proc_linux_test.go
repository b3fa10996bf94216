package process

import (
	"os"
	"testing"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 1 20 30 0 -1 4194564 0 0 0 0 0 0 0 0 20 0 3 0 4711 0 0"
	want := procStat{pid: 7, state: 'Z', pgrp: 20, session: 30, flags: 4194564, threads: 3, start: 4711}
	for _, name := range []string{"sh", "a b", ") Z 1 2 3 (", "x\n)"} {
		if got, err := parseStat(7, []byte("7 ("+name+") Z"+rest+"\n")); got != want || err != nil {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
	if want.dead() || !want.ending() {
		t.Error("a first thread that has ended is not the whole process")
	}
	for _, text := range []string{"", "7", "7 (sh", "7 (sh) Z", "7 (sh) Z" + rest[:40], "7 (sh) Z x" + rest} {
		if got, err := parseStat(7, []byte(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestIdentityIsOurs(t *testing.T) {
	t.Parallel()
	self := hold(os.Getpid())
	if self == nil {
		t.Fatal("not there")
	}
	defer self.release()
	if id := self.identity(); id.PID != os.Getpid() || len(id.Start) < 36 || self.dead() || self.ending() {
		t.Errorf("%+v", self.procStat)
	}
}

func TestProcessesText(t *testing.T) {
	t.Parallel()
	for want, pids := range map[string][]int{
		"process 1":                    {1},
		"processes 1, 2":               {1, 2},
		"processes 1, 2, 3":            {1, 2, 3},
		"processes 1, 2, 3 and 2 more": {1, 2, 3, 4, 5},
	} {
		if got := processesText(pids); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
