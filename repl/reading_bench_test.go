//go:build unix

package repl

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/creack/pty"
	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/frame"
	"warren/repl/result"
)

// fleet is the number of hosts that reading is measured with.
const fleet = 10_000

// An output returns what the nth host prints.
type output func(n int) string

var prints = []struct {
	name string
	text output
}{
	{"alike", func(n int) string { // all but three
		if n%4000 == 7 {
			return fmt.Sprintf("nginx/1.24.0 on %d\n", n)
		}
		return "nginx/1.26.2\n"
	}},
	{"different", func(n int) string { return fmt.Sprintf("up %d days\n", n) }},
	{"large", func(n int) string { return fmt.Sprintf("%d\n", n) + strings.Repeat("0123456789abcdef\n", 600) }}, // 10 KiB each
}

// record stores a task of the fleet in dir and returns its id.
func record(b *testing.B, dir string, text output) string {
	b.Helper()
	store, err := results.Open(dir, results.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			b.Fatal(err)
		}
	}()
	task := model.Task{ID: uuid.NewString(), Command: "nginx -v", Created: fakeTime, NotAfter: fakeTime.Add(time.Hour), MaxOutput: 1 << 20}
	jobs := make([]model.Job, fleet)
	updates := make([]results.Update, fleet)
	for i := range jobs {
		digest := sha256.Sum256([]byte{byte(i)})
		jobs[i] = model.Job{ID: uuid.NewString(), Host: fmt.Sprintf("web%05d", i), Index: i, Digest: digest[:]}
		out := []byte(text(i))
		updates[i] = endedUpdate(&jobs[i], wire.Ended{Outcome: wire.Exited, ExitCode: new(int), Stdout: &wire.Stream{Size: int64(len(out)), Data: out}})
	}
	if _, err := store.Add(ctx, task, jobs); err != nil {
		b.Fatal(err)
	}
	for len(updates) > 0 {
		n := min(len(updates), 500)
		answer, err := store.Apply(ctx, updates[:n])
		if err != nil {
			b.Fatal(err)
		}
		if err := <-answer; err != nil {
			b.Fatal(err)
		}
		updates = updates[n:]
	}
	return task.ID
}

// BenchmarkCheckTask is the program itself, built for it, on a pseudo-terminal of
// 24 lines: check_task of 10,000 hosts. first-ms is the time from its start
// until the first screen is full (or all is there), best-ms the least of these, cpu-ms the processor time
// that all of it takes, peak-MiB its largest resident size.
func BenchmarkCheckTask(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "warren")
	if out, err := exec.Command("go", "build", "-o", bin, "warren/cmd/warren").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, p := range prints {
		dir := b.TempDir()
		id := record(b, dir, p.text)
		for _, how := range [][]string{nil, {"--diff"}, {"--tail", "1"}} {
			b.Run(strings.Join(append([]string{p.name}, how...), " "), func(b *testing.B) {
				first, best := time.Duration(0), time.Hour
				peak, cpu := int64(0), time.Duration(0)
				for b.Loop() {
					cmd := exec.Command(bin, append([]string{"check_task", id}, how...)...)
					cmd.Env = append(os.Environ(), "WARREN_DATA_DIR="+dir, "WARREN_BROKER=amqp://127.0.0.1:1/", "PAGER=cat", "TERM=xterm")
					start := time.Now()
					tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
					if err != nil {
						b.Fatal(err)
					}
					rss := watchRSS(cmd.Process.Pid)
					took := screenful(b, tty, start)
					first, best = first+took, min(best, took)
					_, _ = io.Copy(io.Discard, tty) // ends with EIO
					if err := errors.Join(cmd.Wait(), tty.Close()); err != nil {
						b.Fatal(err)
					}
					peak = max(peak, rss())
					cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				}
				b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "first-ms")
				b.ReportMetric(float64(best.Milliseconds()), "best-ms") // on a busy machine
				b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms")
				b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			})
		}
	}
}

// screenful is how long it takes until 24 lines have come, or the end.
func screenful(b *testing.B, tty io.Reader, start time.Time) time.Duration {
	b.Helper()
	buf := make([]byte, 4096)
	for lines := 0; lines < 24; {
		n, err := tty.Read(buf)
		lines += strings.Count(string(buf[:n]), "\n")
		if err != nil {
			break
		}
	}
	return time.Since(start)
}

// watchRSS looks at the largest resident size of a process until its end. What
// wait(2) says of it counts the memory of the process that has started it, too.
func watchRSS(pid int) (peak func() int64) {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		largest := int64(0)
		for {
			select {
			case <-stop:
				result <- largest
				return
			case <-tick.C:
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
					var kib int64
					if _, err := fmt.Sscan(rest, &kib); err == nil {
						largest = max(largest, kib<<10)
					}
				}
			}
		}
	}()
	return func() int64 { close(stop); return <-result }
}

func fleetJobs(different bool) []model.Job {
	jobs := make([]model.Job, fleet)
	for i := range jobs {
		sum := "same"
		if different {
			sum = fmt.Sprint(i)
		}
		jobs[i] = model.Job{
			Host: fmt.Sprintf("web%05d", i), Index: i, State: model.Ended, Outcome: wire.Exited,
			Started: fakeTime, Finished: fakeTime.Add(time.Duration(i) * time.Microsecond), Stdout: model.Output{Size: 4, Kept: 4, Sum: sum},
		}
	}
	return jobs
}

func BenchmarkFold(b *testing.B) {
	for _, different := range []bool{false, true} {
		jobs := fleetJobs(different)
		b.Run(fmt.Sprintf("different=%v", different), func(b *testing.B) {
			for b.Loop() {
				result.DefaultView().Fold(jobs)
			}
		})
	}
}

// BenchmarkFrame is one frame of the live view, of 10,000 hosts.
func BenchmarkFrame(b *testing.B) {
	t := result.NewTracker(result.DefaultView(), model.Task{Hosts: fleet, Created: fakeTime})
	for _, j := range fleetJobs(false) {
		t.Jobs[j.Index] = j
		t.Place(&t.Jobs[j.Index])
	}
	for b.Loop() {
		groups := t.Sorted()
		for _, g := range groups {
			g.Changed = true
		}
		t.Fold(groups)
		frame.Of(t, nil, false, nil, groups, 80, 24, fakeTime)
	}
}

// BenchmarkDiff compares outputs of 1 MiB, which is the most that is compared:
// such that differ in a few lines, and such that have nothing in common.
func BenchmarkDiff(b *testing.B) {
	lines := func(format string) string {
		var text strings.Builder
		for i := range 30_000 {
			fmt.Fprintf(&text, format, i)
		}
		return text.String()
	}
	base := lines("the same line of a log, no. %d\n")
	few := strings.Replace(strings.Replace(base, "no. 17\n", "no. 18\n", 1), "no. 29000\n", "", 1)
	for name, other := range map[string]string{"few": few, "all": lines("quite another line, of %d\n")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(base)))
			for b.Loop() {
				if _, err := udiff.ToUnified("a", "b", base, udiff.Lines(base, other), 3); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
