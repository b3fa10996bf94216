package proctree

import (
	"os"
	"testing"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 1 20 30 0 -1 4194564 0 0 0 0 0 0 0 0 20 0 3 0 4711 0 0"
	want := Stat{PID: 7, state: 'Z', PPID: 1, ProcessGroup: 20, Session: 30, Flags: 4194564, ThreadCount: 3, StartTime: 4711}
	for _, name := range []string{"sh", "a b", ") Z 1 2 3 (", "x\n)"} {
		want.Name = name
		if got, err := parseStat(7, []byte("7 ("+name+") Z"+rest+"\n")); got != want || err != nil {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
	if want.IsDead() || !want.isExiting() {
		t.Error("a first thread that has ended is not the whole process")
	}
	for _, text := range []string{"", "7", "7 (sh", "7 (sh) Z", "7 (sh) Z" + rest[:40], "7 (sh) Z x" + rest} {
		if got, err := parseStat(7, []byte(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestOpenHandleChecksIdentity(t *testing.T) {
	t.Parallel()
	seen, err := ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self := openHandle(seen)
	if self == nil {
		t.Fatal("not there")
	}
	defer self.release()
	if id := self.Identity(); id.PID != os.Getpid() || len(id.Start) < 36 || StartTimeOf(id) != self.StartTime || self.IsDead() || self.isExiting() {
		t.Errorf("%+v", self.Stat)
	}
	seen.StartTime++
	if other := openHandle(seen); other != nil {
		t.Errorf("%+v was taken for %+v", other.Stat, seen)
	}
}

func TestJoinProcesses(t *testing.T) {
	t.Parallel()
	named := []Process{{1, "root", "init"}, {PID: 2}, {PID: 3, Name: "sh"}}
	for count, want := range map[int]string{
		1: "process 1 (init) of root",
		2: "processes 1 (init) of root, 2",
		3: "processes 1 (init) of root, 2, 3 (sh)",
		5: "processes 1 (init) of root, 2, 3 (sh) and 2 more",
	} {
		if got := joinProcesses(named[:min(count, 3)], count); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFindCgroupDir(t *testing.T) {
	t.Parallel()
	const mounts = `30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
39 30 0:36 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
40 30 0:37 /some\040where /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
`
	for path, want := range map[string]string{
		"":                            "",
		"/":                           "",
		"/elsewhere":                  "",
		"/some where":                 "/sys/fs/cgroup/unified",
		"/some where/warrend.service": "/sys/fs/cgroup/unified/warrend.service",
	} {
		if got := findCgroupDir([]byte(mounts), path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	if got := parseCgroupPath([]byte("9:name=systemd:/\n0::/a b\n")); got != "/a b" {
		t.Errorf("got %q", got)
	}
}
