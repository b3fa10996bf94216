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

// A Cgroup is the control group (cgroups(7), version 2) of one command, below the
// agent's own. All processes that the command starts are in it, and only root can move
// a process out of it. It enables no controller: it tracks processes and limits
// nothing.
//
// A nil Cgroup is valid and does nothing: on many systems the agent may not use
// cgroups.
type Cgroup struct {
	dir  string
	pids map[int]bool // from the latest refresh
}

const cgroupPrefix = "warren-job-"

// CgroupMinAge is the age from which SweepCgroups removes empty cgroups. A new cgroup
// is empty too.
const CgroupMinAge = 10 * time.Second

// CgroupsDisabled is set if the kernel cannot start a process in a cgroup (Linux
// before 5.7, some sandboxes), and by tests.
var CgroupsDisabled atomic.Bool

// ownCgroup returns the path of this program's cgroup in the version 2 hierarchy, or
// "".
var ownCgroup = sync.OnceValue(func() string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	return parseCgroupPath(text)
})

// parseCgroupPath returns the path in the line "0::/path" of /proc/PID/cgroup, or "".
func parseCgroupPath(text []byte) string {
	for line := range bytes.Lines(text) {
		if path, ok := strings.CutPrefix(string(bytes.TrimSuffix(line, []byte("\n"))), "0::"); ok {
			return strings.TrimSuffix(path, " (deleted)")
		}
	}
	return ""
}

// ownCgroupDir returns the directory of this program's cgroup, or "".
var ownCgroupDir = sync.OnceValue(func() string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return findCgroupDir(text, ownCgroup())
})

// findCgroupDir returns the directory of the cgroup path, from the mounts of
// proc_pid_mountinfo(5).
func findCgroupDir(mountinfo []byte, path string) string {
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

// unescape decodes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// cgroupName returns the name of the cgroup of the command with this mark. It hashes
// an id that is too long or has special characters.
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

// NewCgroup creates the cgroup of the command with this mark. It returns nil if it
// cannot.
func NewCgroup(mark string) *Cgroup {
	base := ownCgroupDir()
	if base == "" || CgroupsDisabled.Load() {
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

// FindCgroup returns the cgroup that an earlier agent process created for this mark,
// or nil.
func FindCgroup(mark string) *Cgroup {
	base := ownCgroupDir()
	if base == "" || mark == "" || CgroupsDisabled.Load() {
		return nil
	}
	g := &Cgroup{dir: filepath.Join(base, cgroupName(mark))}
	if _, err := os.Stat(g.dir); err != nil {
		return nil
	}
	return g
}

// InCgroupOf reports whether this program is in the cgroup of the command with this
// mark. In that case the command has started this program.
func InCgroupOf(mark string) bool {
	return mark != "" && strings.Contains(ownCgroup()+"/", "/"+cgroupName(mark)+"/")
}

// OpenDir returns a descriptor of the directory, to start a process in the cgroup, or
// -1.
func (g *Cgroup) OpenDir() int {
	if g == nil {
		return -1
	}
	fd, err := unix.Open(g.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// refresh reads the processes of the cgroup and of the cgroups below it.
func (g *Cgroup) refresh() error {
	if g == nil {
		return nil
	}
	g.pids = map[int]bool{}
	return g.walk(func(dir string) error {
		text, err := os.ReadFile(dir + "/cgroup.procs")
		if err != nil {
			if isRemoved(err) {
				return nil
			}
			return err
		}
		for pid := range bytes.FieldsSeq(text) {
			if n, err := strconv.Atoi(string(pid)); err == nil && n > 0 { // 0: a process outside this PID namespace
				g.pids[n] = true
			}
		}
		return nil
	})
}

// isRemoved reports whether err means that the cgroup is gone. EOPNOTSUPP means a
// threaded cgroup, which only the command can have created: the cgroup above it lists
// its processes.
func isRemoved(err error) bool {
	return os.IsNotExist(err) || IsErrno(err, unix.ENODEV) || IsErrno(err, unix.EOPNOTSUPP)
}

// walk calls do for the cgroup's directory and then for those below it.
func (g *Cgroup) walk(do func(dir string) error) error {
	return filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if isRemoved(err) {
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

func (g *Cgroup) contains(pid int) bool { return g != nil && g.pids[pid] }

// isEmpty reports that certainly no process is alive in the cgroup or below it. It
// ignores zombies.
func (g *Cgroup) isEmpty() bool {
	if g == nil {
		return false
	}
	text, err := os.ReadFile(g.dir + "/cgroup.events")
	return err == nil && bytes.HasPrefix(text, []byte("populated 0\n"))
}

// killAll kills every process in the cgroup and below it atomically, including those
// that this program may not signal (Linux 5.14).
func (g *Cgroup) killAll() bool {
	return g != nil && os.WriteFile(g.dir+"/cgroup.kill", []byte("1"), 0) == nil
}

// Remove removes the cgroup if it is empty, and reports whether it is gone.
func (g *Cgroup) Remove() bool {
	if g == nil {
		return true
	}
	if err := unix.Rmdir(g.dir); err != unix.EBUSY {
		return err == nil || err == unix.ENOENT
	}
	var dirs []string // deepest last; the command may have created some
	_ = g.walk(func(dir string) error {
		dirs = append(dirs, dir)
		return nil
	})
	var err error
	for i := len(dirs) - 1; i >= 0; i-- {
		err = unix.Rmdir(dirs[i])
	}
	return err == nil || err == unix.ENOENT
}

// SweepCgroups removes empty cgroups that are older than age, also those of an earlier
// agent process.
func SweepCgroups(age time.Duration) {
	base := ownCgroupDir()
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
