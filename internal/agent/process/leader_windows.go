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

	"golang.org/x/sys/windows"
)

// A leader is the started process and the job object that holds it and all processes
// that it starts. Windows does not reuse a process id while a handle of the process is
// open, and the job has no name.
type leader struct {
	cmd *exec.Cmd
	job windows.Handle
}

// startLeader starts cmd suspended, so that it can start no process before it is in
// the job. This program has the job's only handle, so the job ends with this program.
func startLeader(cmd *exec.Cmd, _ Spec) (*leader, error) {
	job, err := newJob()
	if err != nil {
		return nil, fmt.Errorf("job object: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CmdLine: commandLine(cmd.Args),
		// A console of its own: otherwise chcp would change the code page of this program
		// and of all later commands.
		CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NO_WINDOW,
	}
	if err := cmd.Start(); err != nil {
		_ = windows.CloseHandle(job)
		return nil, err
	}
	l := &leader{cmd, job}
	if err := l.release(); err != nil {
		_ = cmd.Process.Kill()
		_, _, _ = l.reap()
		return nil, fmt.Errorf("job object: %w", err)
	}
	return l, nil
}

// newJob creates a job that ends its processes when its last handle is closed, and
// that no process can break away from.
func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		_ = windows.CloseHandle(job)
		return 0, err
	}
	return job, nil
}

// release puts the suspended process into the job and resumes it.
func (l *leader) release() error {
	var err error
	if e := l.cmd.Process.WithHandle(func(process uintptr) {
		err = windows.AssignProcessToJobObject(l.job, windows.Handle(process))
	}); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	return resume(uint32(l.pid()))
}

// resume resumes the only thread of a process that was created suspended. os/exec
// keeps no handle of the thread, so resume searches all threads.
func resume(pid uint32) error {
	threads, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(threads)
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(threads, &entry); err == nil; err = windows.Thread32Next(threads, &entry) {
		if entry.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, entry.ThreadID)
		if err != nil {
			return err
		}
		defer windows.CloseHandle(thread)
		_, err = windows.ResumeThread(thread)
		return err
	}
	return fmt.Errorf("no thread of process %d: %w", pid, err)
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
	err := windows.TerminateJobObject(l.job, 1)
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
	err := windows.QueryInformationJobObject(l.job, jobObjectBasicProcessIdList,
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
		_, _ = windows.SetInformationJobObject(l.job, windows.JobObjectExtendedLimitInformation,
			uintptr(unsafe.Pointer(&none)), uint32(unsafe.Sizeof(none)))
	}
	return describe(pids), len(pids)
}

// canCancelWait reports whether close ends wait.
func (*leader) canCancelWait() bool { return false }

func (l *leader) close() { _ = windows.CloseHandle(l.job) }

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
