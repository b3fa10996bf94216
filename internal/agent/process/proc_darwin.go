package process

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// procStat is what the system says of a process.
type procStat struct {
	pid     int
	name    string // at most 16 bytes
	ppid    int
	pgrp    int
	session int // 0 where it is not known
	uid     uint32
	zombie  bool
	start   uint64 // microseconds since 1970
}

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

func statOf(info *unix.KinfoProc) procStat {
	began := info.Proc.P_starttime
	s := procStat{
		pid: int(info.Proc.P_pid), name: unix.ByteSliceToString(info.Proc.P_comm[:]),
		ppid: int(info.Eproc.Ppid), pgrp: int(info.Eproc.Pgid), uid: info.Eproc.Ucred.Uid,
		zombie: info.Proc.P_stat == zombie,
		start:  uint64(began.Sec)*1e6 + uint64(began.Usec),
	}
	if sid, err := unix.Getsid(s.pid); err == nil {
		s.session = sid
	}
	return s
}

func readStat(pid int) (procStat, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return procStat{}, err
	}
	return statOf(info), nil
}

// snapshot lists all processes but this program, zombies included.
func snapshot() ([]procStat, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	var all []procStat
	for i := range infos {
		if pid := int(infos[i].Proc.P_pid); pid != unix.Getpid() && pid > 0 {
			all = append(all, statOf(&infos[i]))
		}
	}
	return all, nil
}

func (s procStat) dead() bool { return s.zombie }

// ending: macOS does not say that an end has begun.
func (s procStat) ending() bool { return false }

// identity is the pid with the time of day at which the process began.
func (s procStat) identity() Identity {
	return Identity{PID: s.pid, Start: fmt.Sprintf("%d.%06d", s.start/1e6, s.start%1e6)}
}

// startOf is the start time in an identity; 0 where it is not known.
func startOf(id Identity) uint64 {
	var seconds, micros uint64
	if _, err := fmt.Sscanf(strings.Replace(id.Start, ".", " ", 1), "%d %d", &seconds, &micros); err != nil {
		return 0
	}
	return seconds*1e6 + micros
}

// otherBoot: a time of day does not come again after a reboot.
func otherBoot(Identity) bool { return false }

func uidOf(s procStat) (uint32, error) { return s.uid, nil }

// bears: macOS does not show another process's environment reliably.
func bears(int, string) bool { return false }
