package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"warren/internal/agent/process/proctree"
	"warren/internal/jobobject"

	"golang.org/x/sys/windows"
)

// A leader is the started process and the job object that holds it and all processes
// that it starts. Windows does not reuse a process id while a handle of the process is
// open, and the job has no name.
type leader struct {
	cmd *exec.Cmd
	job jobobject.Job
}

// startLeader starts cmd in a job of its own. This program has the job's only handle, so the
// job ends with this program.
func startLeader(cmd *exec.Cmd, _ Spec) (*leader, error) {
	job, err := jobobject.New()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CmdLine: commandLine(cmd.Args),
		// A console of its own: otherwise chcp would change the code page of this program
		// and of all later commands.
		CreationFlags: windows.CREATE_NO_WINDOW,
	}
	if err := job.Start(cmd); err != nil {
		job.Close()
		return nil, err
	}
	return &leader{cmd, job}, nil
}

func (l *leader) pid() int { return l.cmd.Process.Pid }

func (l *leader) wait() error {
	_, err := l.waitFor(windows.INFINITE)
	return err
}

// exited reports whether the leader has exited.
func (l *leader) exited() bool {
	event, err := l.waitFor(0)
	return err != nil || event == windows.WAIT_OBJECT_0
}

func (l *leader) waitFor(milliseconds uint32) (event uint32, err error) {
	if e := l.cmd.Process.WithHandle(func(process uintptr) {
		event, err = windows.WaitForSingleObject(windows.Handle(process), milliseconds)
	}); e != nil {
		return 0, e
	}
	return event, err
}

// stop terminates the job. Windows has no signal that asks a process to end: CTRL_BREAK
// reaches only processes on this program's console, and the command has its own.
func (l *leader) stop(time.Duration) stopResult {
	s := stopResult{reached: !l.exited()}
	seen := map[uint32]bool{}
	for _, pid := range l.members() {
		seen[pid] = true
	}
	err := l.job.Terminate()
	left := l.await(killTimeout, seen)
	s.killed = len(seen) - len(left)
	s.left, s.leftCount = describe(left), len(left)
	switch {
	case len(left) > 0 && err != nil:
		s.err = fmt.Errorf("%d processes could not be ended: %w", len(left), err)
	case len(left) > 0:
		s.err = fmt.Errorf("%d processes could not be ended", len(left))
	}
	return s
}

// await waits at most d until the job has no processes, and returns the remaining
// ones. It adds all processes that it sees to seen.
func (l *leader) await(d time.Duration, seen map[uint32]bool) []uint32 {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := l.members()
		for _, pid := range left {
			seen[pid] = true
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// killTimeout limits how long stop waits for the end of a terminated job.
const killTimeout = 3 * time.Second

// members returns the living processes of the job, except the host of its console, which
// ends with them.
func (l *leader) members() []uint32 {
	const jobObjectBasicProcessIdList = 3
	var list struct { // JOBOBJECT_BASIC_PROCESS_ID_LIST
		assigned, listed uint32
		ids              [1024]uintptr
	}
	err := windows.QueryInformationJobObject(l.job.Handle, jobObjectBasicProcessIdList,
		uintptr(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)), nil)
	if err != nil && !errors.Is(err, windows.ERROR_MORE_DATA) {
		return nil
	}
	var pids []uint32
	for _, id := range list.ids[:min(int(list.listed), len(list.ids))] {
		if pid := uint32(id); !strings.EqualFold(imageOf(pid), "conhost.exe") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// describe adds the names of the programs.
func describe(pids []uint32) []proctree.Process {
	var named []proctree.Process
	for _, pid := range pids[:min(len(pids), proctree.MaxDescribed)] {
		named = append(named, proctree.Process{PID: int(pid), Name: imageOf(pid)})
	}
	return named
}

// imageOf returns the file name of a process's program.
func imageOf(pid uint32) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(process)
	path := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(path))
	if windows.QueryFullProcessImageName(process, 0, &path[0], &size) != nil {
		return ""
	}
	return filepath.Base(windows.UTF16ToString(path[:size]))
}

// leftovers returns the living processes of a command whose leader has exited. It lets
// them continue after the job's handle is closed.
func (l *leader) leftovers() (left []proctree.Process, count int) {
	pids := l.members()
	if len(pids) > 0 {
		var none windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
		_, _ = windows.SetInformationJobObject(l.job.Handle, windows.JobObjectExtendedLimitInformation,
			uintptr(unsafe.Pointer(&none)), uint32(unsafe.Sizeof(none)))
	}
	return describe(pids), len(pids)
}

// canCancelWait reports whether close ends wait.
func (*leader) canCancelWait() bool { return false }

func (l *leader) close() { l.job.Close() }

// reap takes the leader's status and closes the job, which kills its remaining
// processes unless leftovers has been called.
func (l *leader) reap() (code int, signal string, err error) {
	defer l.close()
	err = l.cmd.Wait()
	if l.cmd.ProcessState == nil {
		return -1, "", fmt.Errorf("the exit status was lost: %w", err)
	}
	return exitCode(l.cmd.ProcessState), "", nil
}

// exitCode returns the code as a signed number, as %ERRORLEVEL% shows it: -1, and not
// 4294967295.
func exitCode(state *os.ProcessState) int { return int(int32(uint32(state.ExitCode()))) }

// identity returns the pid with the creation time of the process.
func (l *leader) identity() proctree.Identity {
	id := proctree.Identity{PID: l.pid()}
	var created, unused windows.Filetime
	err := errors.ErrUnsupported
	if e := l.cmd.Process.WithHandle(func(process uintptr) {
		err = windows.GetProcessTimes(windows.Handle(process), &created, &unused, &unused, &unused)
	}); e == nil && err == nil {
		id.Start = strconv.FormatInt(created.Nanoseconds(), 10)
	}
	return id
}

// canEnter returns true: access lists have no short answer, so the start itself
// reports an error.
func canEnter(string) bool { return true }
