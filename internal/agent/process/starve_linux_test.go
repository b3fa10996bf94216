package process_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/agent/process"
	"warren/internal/agent/process/proctree"
)

// beStarved is an agent whose user may have 24 processes, including threads. One
// command starts as many as it can. Then n other commands run, and this program needs
// threads, for example for the disk.
func beStarved(n int) {
	const permitted, disks = 24, 4
	ownProc()
	if err := syscall.Setuid(54322); err != nil {
		panic(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: permitted, Max: permitted}); err != nil {
		panic(err)
	}
	proctree.ReserveThreads(n)
	ctx, stop := context.WithCancel(context.Background())
	var others sync.WaitGroup
	others.Go(func() { _ = process.Reap(ctx) })
	run := func(command string) process.Result {
		s := process.Spec{
			Argv: []string{"/bin/sh", "-c", command}, Env: process.Environment("/", "", ""), Dir: "/",
			MaxOutput: 1000, Timeout: 10 * time.Second, Grace: 100 * time.Millisecond, Mark: markName + "=starved",
		}
		return process.Run(ctx, s, func(process.Identity) {}, func(process.Chunk) {})
	}
	const bomb = `exec perl -e 'for (1..2000) { my $pid = fork; sleep 1000 if defined $pid and !$pid; select undef, undef, undef, 0.01 }'`
	others.Go(func() { run(bomb) })
	for r := run("true"); r.Started; r = run("true") {
	}
	for range disks {
		others.Go(func() {
			pause := unix.NsecToTimespec(int64(200 * time.Millisecond))
			_ = unix.Nanosleep(&pause, nil) // blocks its thread
		})
	}
	var all sync.WaitGroup
	results := make([]process.Result, n)
	for i := range results {
		all.Go(func() { results[i] = run("true") })
	}
	all.Wait()
	for _, r := range results {
		if !r.Started && (r.Err == nil || !strings.Contains(r.Err.Error(), "permits no more processes")) {
			fmt.Println(r.Err)
		}
	}
	stop()
	others.Wait()
	fmt.Print("outlived it")
}

// beParent runs n commands that leave orphans, and waits until these have ended and no
// zombie is left.
func beParent(n int) {
	ownProc()
	ctx, stop := context.WithCancel(context.Background())
	var reap, all sync.WaitGroup
	reap.Go(func() { _ = process.Reap(ctx) })
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			s := process.Spec{
				Argv: []string{"/bin/sh", "-c", fmt.Sprint("(setsid sleep 0.1 >/dev/null 2>&1 &); (sleep 0.05 >/dev/null 2>&1 &); exit ", i%100)},
				Env:  process.Environment("/", "", ""), Dir: "/", MaxOutput: 1000, Grace: time.Second, Mark: fmt.Sprint(markName, "=", i),
			}
			if r := process.Run(context.Background(), s, nil, nil); r.ExitCode != i%100 || r.Err != nil {
				fmt.Printf("%d: %+v\n", i, r)
			}
		})
	}
	all.Wait()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.ECHILD {
			break
		}
		if time.Now().After(end) {
			fmt.Printf("children are left: %v\n", err)
			break
		}
	}
	stop()
	reap.Wait()
	fmt.Print("no zombies")
}

// ownProc mounts the /proc of this process's namespace if this process is its first
// one.
func ownProc() {
	if os.Getpid() != 1 {
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		panic(err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		panic(err)
	}
}
