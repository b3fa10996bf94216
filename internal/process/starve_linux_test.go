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

	"warren/internal/process"
)

// beStarved runs n commands at the same time as a user who may have 24 processes,
// threads included, while one of them starts as many as it can.
func beStarved(n int) {
	const permitted = 24
	if err := syscall.Setuid(54322); err != nil {
		panic(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: permitted, Max: permitted}); err != nil {
		panic(err)
	}
	process.ReserveThreads(n)
	ctx, stop := context.WithCancel(context.Background())
	var reap sync.WaitGroup
	reap.Go(func() { _ = process.Reap(ctx) })
	var all sync.WaitGroup
	results := make([]process.Result, n)
	for i := range results {
		command := "sleep 0.5"
		if i == 0 {
			command = "i=0; while [ $i -lt 200 ]; do sleep 1 & i=$((i+1)); done; wait"
		}
		s := process.Spec{
			Argv: []string{"/bin/sh", "-c", command}, Env: process.Environment("/", "", ""), Dir: "/",
			MaxOutput: 1000, Timeout: 2 * time.Second, Grace: 100 * time.Millisecond, Mark: fmt.Sprint(markName, "=", i),
		}
		all.Go(func() { results[i] = process.Run(context.Background(), s, func(process.Identity) {}, func(process.Chunk) {}) })
	}
	all.Wait()
	stop()
	reap.Wait()
	started := 0
	for _, r := range results {
		switch {
		case r.Started:
			started++
		case r.Err == nil || !strings.Contains(r.Err.Error(), "permits no more processes"):
			fmt.Print(r.Err)
		}
	}
	fmt.Print(started, " others as they should")
}

// beParent runs n commands that leave orphans, and waits until these have ended
// and no zombie is left.
func beParent(n int) {
	if os.Getpid() == 1 {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			panic(err)
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			panic(err)
		}
	}
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
