package jobobject

import (
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A Job holds a process and all processes that it starts. It ends with the last handle, which
// only this program has.
type Job struct{ Handle windows.Handle }

// New creates a job that ends its processes when its last handle is closed, and that no
// process can break away from.
func New() (Job, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return Job{}, fmt.Errorf("job object: %w", err)
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		_ = windows.CloseHandle(job)
		return Job{}, fmt.Errorf("job object: %w", err)
	}
	return Job{job}, nil
}

// Start starts cmd suspended, so that it can start no process before it is in the job.
func (j Job) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.CreationFlags |= windows.CREATE_SUSPENDED
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := j.release(cmd); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("job object: %w", err)
	}
	return nil
}

// release puts the suspended process into the job and resumes it.
func (j Job) release(cmd *exec.Cmd) error {
	var err error
	if e := cmd.Process.WithHandle(func(process uintptr) {
		err = windows.AssignProcessToJobObject(j.Handle, windows.Handle(process))
	}); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	return resume(uint32(cmd.Process.Pid))
}

// resume resumes the only thread of a process that was created suspended. os/exec keeps no
// handle of the thread, so resume searches all threads.
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

// Terminate ends all processes of the job.
func (j Job) Terminate() error { return windows.TerminateJobObject(j.Handle, 1) }

// Close closes the handle, which ends the processes that remain.
func (j Job) Close() { _ = windows.CloseHandle(j.Handle) }
