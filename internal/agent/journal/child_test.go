package journal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childEnv makes the test binary a process of its own: "ROLE DIR NEXT".
const childEnv = "WARREN_TEST_JOURNAL_CHILD"

// child says 0, opens the log, and appends the numbers from NEXT on until it is
// killed. It says each number that was answered. Each 50th time it rewrites the log
// to what it holds from a 10th of it on.
func child(arg string) {
	fields := strings.Fields(arg)
	if err := childRun(fields[0], fields[1], fields[2]); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func childRun(role, dir, from string) error {
	if role == "append" {
		fmt.Println(0)
	}
	var have []string
	l, err := Open(dir, Options{}, func(r []byte) error {
		have = append(have, string(r))
		return nil
	})
	if err != nil {
		return err
	}
	if role == "hold" {
		fmt.Println("held")
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	next, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	for i := next; ; i++ {
		record := fmt.Sprintf("%d %s", i, strings.Repeat("p", rand.IntN(3000)))
		have = append(have, record)
		answer, err := l.Append(ctx, [][]byte{[]byte(record)}, 0)
		if err != nil {
			return err
		}
		answers := []<-chan Answer{answer}
		switch {
		case i%50 == 0:
			have = slices.Clone(have[len(have)/10:])
			if answer, err = l.Rewrite(ctx, slices.Values(bytesOf(have))); err != nil {
				return err
			}
			answers = append(answers, answer)
		case i%3 == 0:
			if answer, err = l.Append(ctx, nil, Sync); err != nil {
				return err
			}
			answers = append(answers, answer)
		}
		for _, c := range answers {
			if a := <-c; a.Err != nil {
				return a.Err
			}
		}
		// What is written, synced or not, outlives the process.
		fmt.Println(i)
	}
}

func spawn(t *testing.T, role, dir string, next int) (*exec.Cmd, *bufio.Scanner, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", childEnv, role, dir, next))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), in
}

// TestKilled kills a writer with SIGKILL at random moments, again and again: as it
// opens the log, or after some records. All that was answered is there, in order, none
// twice.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	rounds := 50
	if testing.Short() {
		rounds = 15
	}
	next, first := 1, 1
	for range rounds {
		cmd, lines, in := spawn(t, "append", dir, next)
		said, lives := 0, rand.IntN(60) // lines
		answered := next - 1
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			answered = max(answered, n)
			if said++; said == lives+1 {
				time.AfterFunc(time.Duration(rand.IntN(1000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait() // killed
		in.Close()
		begin, last := checkNumbers(t, dir)
		if last < answered || last > answered+1 {
			t.Fatalf("answered up to %d, there are %d to %d", answered, begin, last)
		}
		if last == 0 {
			continue // killed before it had written anything
		}
		before := first // the last rewriting, which may not have come to its end
		for i := next; i <= last; i++ {
			if i%50 == 0 {
				before, first = first, first+(i-first+1)/10
			}
		}
		if begin != first && (last%50 != 0 || begin != before) {
			t.Fatalf("it begins with %d, want %d", begin, first)
		}
		first, next = begin, last+1
	}
	t.Logf("%d records, %d kills", next-1, rounds)
	if next < 100 {
		t.Error("hardly anything was written")
	}
}

// checkNumbers wants the log to hold a row of numbers without a gap.
func checkNumbers(t *testing.T, dir string) (first, last int) {
	t.Helper()
	l, err := Open(dir, Options{}, func(r []byte) error {
		number, rest, _ := strings.Cut(string(r), " ")
		n, err := strconv.Atoi(number)
		if err != nil || strings.Trim(rest, "p") != "" {
			return fmt.Errorf("record %.50q", r)
		}
		if first == 0 {
			first, last = n, n-1
		}
		if n != last+1 {
			return fmt.Errorf("%d follows %d", n, last)
		}
		last = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return first, last
}

// TestTwoProcesses: while another process has the log, Open is refused; when it
// is killed, the log is free.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	cmd, lines, in := spawn(t, "hold", dir, 0)
	defer in.Close()
	if !lines.Scan() || lines.Text() != "held" {
		t.Fatal(lines.Text())
	}
	_, err := Open(dir, Options{}, ignore)
	if err == nil || !strings.Contains(err.Error(), ErrLocked.Error()) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	wantIn(t, dir)
}
