package process

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"warren/internal/agent/process/proctree"

	"golang.org/x/sys/windows"
)

// leader is the process that was started, and the job object that holds it with
// all that it starts. Windows keeps an id from being used again while a handle
// is open, and the job is known by its handle alone.
type leader struct {
	cmd *exec.Cmd
	job windows.Handle
}

// startLeader starts cmd suspended, so that it can start nothing before it is
// in the job. The job ends with this program: its handle is the last one.
func startLeader(cmd *exec.Cmd, _ Spec) (*leader, error) {
	job, err := newJob()
	if err != nil {
		return nil, fmt.Errorf("job object: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CmdLine:       commandLine(cmd.Args),
		CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP,
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

// newJob makes a job that ends its processes when its last handle is closed and
// lets none of them break away.
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

// release puts the suspended process into the job and lets it run.
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

// resume wakes the one thread of a process that was created suspended. os/exec
// keeps no handle of it, so it is looked for among all threads.
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

// wait returns when the leader has exited.
func (l *leader) wait() error {
	_, err := l.waitFor(windows.INFINITE)
	return err
}

// exited tells whether the leader has exited by now.
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

// stop ends everything in the job: CTRL_BREAK, which is nearest to SIGTERM, and
// after the grace time the job's end. CTRL_BREAK reaches only processes on this
// program's console. Without a console, as in a service, the job ends at once.
func (l *leader) stop(grace time.Duration) stopped {
	s := stopped{reached: !l.exited()}
	met := map[uint32]bool{}
	if windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(l.pid())) == nil {
		l.await(grace, met)
	}
	for _, pid := range l.members() {
		met[pid] = true
	}
	err := windows.TerminateJobObject(l.job, 1)
	left := l.await(endWithin, met)
	s.killed = len(met) - len(left)
	s.left, s.leftCount = describe(left), len(left)
	switch {
	case len(left) > 0 && err != nil:
		s.err = fmt.Errorf("%d processes could not be ended: %w", len(left), err)
	case len(left) > 0:
		s.err = fmt.Errorf("%d processes could not be ended", len(left))
	}
	return s
}

// await waits until the job has no processes, for d at most, and returns those
// that it still has. It adds those that it sees to met.
func (l *leader) await(d time.Duration, met map[uint32]bool) []uint32 {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := l.members()
		for _, pid := range left {
			met[pid] = true
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// endWithin is how long the end of a job may take.
const endWithin = 3 * time.Second

// members lists the living processes of the job.
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
		pids = append(pids, uint32(id))
	}
	return pids
}

// describe names processes for people.
func describe(pids []uint32) []proctree.Process {
	var named []proctree.Process
	for _, pid := range pids[:min(len(pids), proctree.MaxDescribed)] {
		named = append(named, proctree.Process{PID: int(pid), Name: imageOf(pid)})
	}
	return named
}

// imageOf is the file name of a process's program.
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

// leftovers is what is alive of a command whose leader has exited. It is let live
// on when the job's handle is closed.
func (l *leader) leftovers() (left []proctree.Process, count int) {
	pids := l.members()
	if len(pids) > 0 {
		var none windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
		_, _ = windows.SetInformationJobObject(l.job, windows.JobObjectExtendedLimitInformation,
			uintptr(unsafe.Pointer(&none)), uint32(unsafe.Sizeof(none)))
	}
	return describe(pids), len(pids)
}

// cancelable reports whether close ends wait.
func (*leader) cancelable() bool { return false }

// close gives up the leader and its job.
func (l *leader) close() { _ = windows.CloseHandle(l.job) }

// reap takes the leader's status and gives up the job, which kills what may
// still be in it, unless leftovers has let it live on.
func (l *leader) reap() (code int, signal string, err error) {
	defer l.close()
	err = l.cmd.Wait()
	if l.cmd.ProcessState == nil {
		return -1, "", fmt.Errorf("the exit status was lost: %w", err)
	}
	return l.cmd.ProcessState.ExitCode(), "", nil
}

// identity is the pid with the time of the process's creation.
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

// canEnter leaves it to the start to find out: access lists have no short
// answer.
func canEnter(string) bool { return true }
