//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// A commandProcess is a process that a job has left or still is.
type commandProcess struct {
	pid int
	job string
}

func (p commandProcess) kill() { _ = syscall.Kill(p.pid, syscall.SIGKILL) } // it may have gone

// marked are the living processes of this scene's commands.
func (s *scene) marked() iter.Seq[commandProcess] {
	ours := map[string]bool{}
	for _, j := range s.jobs() {
		ours[j.ID] = true
	}
	return func(yield func(commandProcess) bool) {
		entries, err := os.ReadDir("/proc")
		s.note(err)
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err != nil {
				continue // it has gone
			}
			_, rest, found := bytes.Cut(env, []byte("WARREN_JOB="))
			job, _, _ := bytes.Cut(rest, []byte{0})
			if found && ours[string(job)] && !yield(commandProcess{pid, string(job)}) {
				return
			}
		}
	}
}

// descendants are all processes below pid.
func descendants(pid int) (all []int) {
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // a child belongs to the thread that made it
	for _, t := range tasks {
		if t.Name() != strconv.Itoa(pid) {
			more, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
			out = append(append(out, ' '), more...)
		}
	}
	for f := range strings.FieldsSeq(string(out)) {
		if child, err := strconv.Atoi(f); err == nil {
			all = append(append(all, child), descendants(child)...)
		}
	}
	return all
}

// warren is a command of the shell form, or the REPL.
func (s *scene) warren(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin+"/warren", args...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "WARREN_BROKER="+s.through(s.operatorLink), "WARREN_DATA_DIR="+s.data)
	return cmd
}
