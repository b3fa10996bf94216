package process

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"unsafe"

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
func startLeader(cmd *exec.Cmd, _ *User) (*leader, error) {
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

// terminate asks the process group to end, by what is nearest to SIGTERM. It
// reaches only processes on this program's console: a service has none, and its
// commands are killed when the grace is over.
func (l *leader) terminate() {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(l.pid()))
}

// kill ends all that is in the job.
func (l *leader) kill() { _ = windows.TerminateJobObject(l.job, 1) }

// reap takes the leader's status and gives up the job, which kills what may
// still be in it.
func (l *leader) reap() (code int, signal string, err error) {
	defer windows.CloseHandle(l.job)
	err = l.cmd.Wait()
	if l.cmd.ProcessState == nil {
		return -1, "", fmt.Errorf("the exit status was lost: %w", err)
	}
	return l.cmd.ProcessState.ExitCode(), "", nil
}

// identity is the pid with the time of the process's creation.
func (l *leader) identity() Identity {
	id := Identity{PID: l.pid()}
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
