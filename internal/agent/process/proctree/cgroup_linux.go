package proctree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Cgroup is the control group (cgroups(7), version 2) of one command, below
// the agent's own. Whatever the command starts is born in it, and only root can
// move a process out of it. No controller is enabled: the cgroup knows the
// processes and limits nothing.
//
// Methods of nil do nothing: many systems have no cgroups that the agent may
// use.
type Cgroup struct {
	dir  string
	pids map[int]bool // as of the latest read
}

// cgroupPrefix begins the name of each command's cgroup.
const cgroupPrefix = "warren-job-"

// EmptyFor is how old an empty cgroup must be before it is removed as one that
// an ended command has left behind: a new one is empty too.
const EmptyFor = 10 * time.Second

// NoCgroups is set where the kernel cannot start a process in a cgroup (Linux
// before 5.7, some sandboxes), and by tests.
var NoCgroups atomic.Bool

// ownCgroup is the path of this program's cgroup in the hierarchy of version 2,
// as /proc/self/cgroup has it; "" where there is none.
var ownCgroup = sync.OnceValue(func() string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	return cgroupIn(text)
})

// cgroupIn finds the line "0::/path" of /proc/PID/cgroup.
func cgroupIn(text []byte) string {
	for line := range bytes.Lines(text) {
		if path, ok := strings.CutPrefix(string(bytes.TrimSuffix(line, []byte("\n"))), "0::"); ok {
			return strings.TrimSuffix(path, " (deleted)")
		}
	}
	return ""
}

// cgroupBase is the directory of this program's cgroup; "" where there is none.
var cgroupBase = sync.OnceValue(func() string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return baseIn(text, ownCgroup())
})

// baseIn finds the directory of the cgroup path in the mounts of proc_pid_mountinfo(5).
func baseIn(mountinfo []byte, path string) string {
	if path == "" {
		return ""
	}
	for line := range strings.Lines(string(mountinfo)) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if kind, _, _ := strings.Cut(after, " "); kind != "cgroup2" || len(fields) < 5 {
			continue
		}
		root, point := unescape(fields[3]), unescape(fields[4])
		if below, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(below) {
			return filepath.Join(point, below)
		}
	}
	return ""
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// cgroupName is the name of the cgroup of the command with this mark.
func cgroupName(mark string) string {
	_, id, _ := strings.Cut(mark, "=")
	simple := strings.IndexFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
	}) < 0
	if !simple || len(id) > 64 {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:16])
	}
	return cgroupPrefix + id
}

// NewCgroup makes the cgroup of the command with this mark; nil where that
// cannot be done.
func NewCgroup(mark string) *Cgroup {
	base := cgroupBase()
	if base == "" || NoCgroups.Load() {
		return nil
	}
	if mark == "" || mark[len(mark)-1] == '=' {
		dir, err := os.MkdirTemp(base, cgroupPrefix)
		if err != nil {
			return nil
		}
		return &Cgroup{dir: dir}
	}
	g := &Cgroup{dir: filepath.Join(base, cgroupName(mark))}
	if unix.Mkdir(g.dir, 0o755) != nil {
		return nil
	}
	return g
}

// FindCgroup finds the cgroup that a former life of the agent has made.
func FindCgroup(mark string) *Cgroup {
	base := cgroupBase()
	if base == "" || mark == "" || NoCgroups.Load() {
		return nil
	}
	g := &Cgroup{dir: filepath.Join(base, cgroupName(mark))}
	if _, err := os.Stat(g.dir); err != nil {
		return nil
	}
	return g
}

// InCgroupOf reports whether this program is in the cgroup of the command with
// this mark: then the command has started it.
func InCgroupOf(mark string) bool {
	return mark != "" && strings.Contains(ownCgroup()+"/", "/"+cgroupName(mark)+"/")
}

// Open is a descriptor of the directory, to start a process in it; -1 where
// there is none.
func (g *Cgroup) Open() int {
	if g == nil {
		return -1
	}
	fd, err := unix.Open(g.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// read lists the processes of the cgroup and of those below it.
func (g *Cgroup) read() error {
	if g == nil {
		return nil
	}
	g.pids = map[int]bool{}
	return g.each(func(dir string) error {
		text, err := os.ReadFile(dir + "/cgroup.procs")
		if err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
		for pid := range bytes.FieldsSeq(text) {
			if n, err := strconv.Atoi(string(pid)); err == nil && n > 0 { // 0: in no namespace of ours
				g.pids[n] = true
			}
		}
		return nil
	})
}

// gone says that a cgroup was removed meanwhile. A threaded cgroup, which only
// the command can have made, does not list its processes: the one above it does.
func gone(err error) bool {
	return os.IsNotExist(err) || IsErrno(err, unix.ENODEV) || IsErrno(err, unix.EOPNOTSUPP)
}

// each calls do for the cgroup's directory and those below it, deepest last.
func (g *Cgroup) each(do func(dir string) error) error {
	return filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
		if !d.IsDir() {
			return nil
		}
		return do(path)
	})
}

// has reports whether a process was in it at the latest read.
func (g *Cgroup) has(pid int) bool { return g != nil && g.pids[pid] }

// empty reports the certainty that no process is alive in it or below it. Zombies
// do not count.
func (g *Cgroup) empty() bool {
	if g == nil {
		return false
	}
	text, err := os.ReadFile(g.dir + "/cgroup.events")
	return err == nil && bytes.HasPrefix(text, []byte("populated 0\n"))
}

// kill kills every process in it and below it in one step, also those of users
// that this program may not signal (Linux 5.14).
func (g *Cgroup) kill() bool {
	return g != nil && os.WriteFile(g.dir+"/cgroup.kill", []byte("1"), 0) == nil
}

// Remove removes it where no process is in it, and reports whether none is.
func (g *Cgroup) Remove() bool {
	if g == nil {
		return true
	}
	if err := unix.Rmdir(g.dir); err != unix.EBUSY {
		return err == nil || err == unix.ENOENT
	}
	var dirs []string // the command may have made some below it
	_ = g.each(func(dir string) error {
		dirs = append(dirs, dir)
		return nil
	})
	var err error
	for i := len(dirs) - 1; i >= 0; i-- {
		err = unix.Rmdir(dirs[i])
	}
	return err == nil || err == unix.ENOENT
}

// SweepCgroups removes the cgroups of commands whose background processes have
// ended, also those of a former life of the agent.
func SweepCgroups(age time.Duration) {
	base := cgroupBase()
	if base == "" {
		return
	}
	found, _ := filepath.Glob(base + "/" + cgroupPrefix + "*")
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > age {
			(&Cgroup{dir: dir}).Remove()
		}
	}
}
