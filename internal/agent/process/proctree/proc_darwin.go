package proctree

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Stat describes a process.
type Stat struct {
	PID          int
	Name         string // at most 16 bytes
	PPID         int
	ProcessGroup int
	Session      int // 0: unknown
	uid          uint32
	zombie       bool
	StartTime    uint64 // microseconds since 1970
}

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

func statOf(info *unix.KinfoProc) Stat {
	began := info.Proc.P_starttime
	s := Stat{
		PID: int(info.Proc.P_pid), Name: unix.ByteSliceToString(info.Proc.P_comm[:]),
		PPID: int(info.Eproc.Ppid), ProcessGroup: int(info.Eproc.Pgid), uid: info.Eproc.Ucred.Uid,
		zombie:    info.Proc.P_stat == zombie,
		StartTime: uint64(began.Sec)*1e6 + uint64(began.Usec),
	}
	if sid, err := unix.Getsid(s.PID); err == nil {
		s.Session = sid
	}
	return s
}

func ReadStat(pid int) (Stat, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// Snapshot lists all processes except this program, including zombies.
func Snapshot() ([]Stat, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	var all []Stat
	for i := range infos {
		if pid := int(infos[i].Proc.P_pid); pid != unix.Getpid() && pid > 0 {
			all = append(all, statOf(&infos[i]))
		}
	}
	return all, nil
}

func (s Stat) IsDead() bool { return s.zombie }

// isExiting is false: macOS does not report that a process is ending.
func (s Stat) isExiting() bool { return false }

// Identity combines the pid with the time of day at which the process started.
func (s Stat) Identity() Identity {
	return Identity{PID: s.PID, Start: fmt.Sprintf("%d.%06d", s.StartTime/1e6, s.StartTime%1e6)}
}

// StartTimeOf returns the start time in an identity, or 0 if it is unknown.
func StartTimeOf(id Identity) uint64 {
	var seconds, micros uint64
	if _, err := fmt.Sscanf(strings.Replace(id.Start, ".", " ", 1), "%d %d", &seconds, &micros); err != nil {
		return 0
	}
	return seconds*1e6 + micros
}

// IsFromOtherBoot is false: a time of day does not repeat after a reboot.
func IsFromOtherBoot(Identity) bool { return false }

func uidOf(s Stat) (uint32, error) { return s.uid, nil }

// HasEnvEntry is false: macOS does not reliably show the environment of another
// process.
func HasEnvEntry(int, string) bool { return false }
