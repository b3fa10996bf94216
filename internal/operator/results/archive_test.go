package results

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results/archive"
	"warren/internal/wire"
)

// newCollect is a collect of one host, of a certain age.
func (r *running) newCollect(t testing.TB, age time.Duration) (model.Task, model.Job) {
	t.Helper()
	task, jobs := newTask(1)
	task.Created, task.Archives, task.MaxOutput = time.Now().Add(-age).Truncate(time.Millisecond), true, 1<<30
	r.add(t, task, jobs)
	return task, jobs[0]
}

func part(j model.Job, all []byte, from, to int) Update {
	return Update{Job: j.ID, Reply: &wire.Output{Job: j.ID, Stream: wire.Stdout, Offset: int64(from), Data: all[from:to]}}
}

func collected(j model.Job, size int) Update {
	return Update{Job: j.ID, Reply: &wire.Ended{
		V: 1, Job: j.ID, Agent: j.Host, Outcome: wire.Exited, ExitCode: new(int), EndedAt: 1, Stdout: &wire.Stream{Size: int64(size)}, Stderr: &wire.Stream{},
	}}
}

func (r *running) archive(t testing.TB, j model.Job) []byte { return []byte(r.text(t, j, wire.Stdout)) }

// archiveFiles are the sizes of the files of archives.
func archiveFiles(t *testing.T, dir string) (sizes []int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, archive.DirName, "*"))
	for _, name := range names {
		info, statErr := os.Stat(name)
		if err = errors.Join(err, statErr); err == nil {
			sizes = append(sizes, info.Size())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// After a loss of power, a file may lack bytes that the database knows of: they are asked for again.
func TestArchiveThatIsShorterThanItsRecordIsCompleted(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, j := s.newCollect(t, 0)
	all := make([]byte, 1<<20)
	_, _ = rand.Read(all) // never fails
	const chunk = wire.MaxChunk
	for at := range 10 {
		s.apply(t, part(j, all, at*chunk, (at+1)*chunk))
	}
	s.apply(t, part(j, all, 12*chunk, 13*chunk)) // behind a gap
	s.end()
	names, err := filepath.Glob(filepath.Join(dir, archive.DirName, "*"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	const left = 5*chunk + 77
	if err := os.Truncate(names[0], left); err != nil {
		t.Fatal(err)
	}

	s = start(t, dir)
	s.apply(t, part(j, all, 13*chunk, len(all)), collected(j, len(all)))
	got := s.job(t, j)
	if want := (model.Output{Size: int64(len(all)), Kept: int64(left + len(all) - 13*chunk), Begin: left}); !got.Incomplete() || got.Stdout != want {
		t.Errorf("%+v, want %+v", got.Stdout, want)
	}
	for at := left; at < 13*chunk; at += chunk {
		s.apply(t, part(j, all, at, min(at+chunk, 13*chunk)))
	}
	if got := s.job(t, j); got.Incomplete() || !bytes.Equal(s.archive(t, j), all) {
		t.Errorf("%+v, and it is not what was sent", got.Stdout)
	}
}

// The archive of a collect is in a file of its own, and not in the database. Parts may come
// twice, overlap, and leave gaps that later ones fill.
func TestArchiveIsInFile(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, j := s.newCollect(t, 0)
	all := make([]byte, 3<<20)
	_, _ = rand.Read(all) // never fails
	const chunk = wire.MaxChunk
	var parts []Update
	for at := 0; at < len(all); at += chunk {
		parts = append(parts, part(j, all, at, at+chunk))
	}
	s.apply(t, parts[:10]...)
	s.apply(t, parts[20:]...) // the broker has lost what is between
	if got := s.job(t, j).Stdout.Kept; got != int64(len(all)-10*chunk) {
		t.Errorf("kept %d bytes", got)
	}
	s.apply(t, collected(j, len(all)))
	if got := s.job(t, j); !got.Incomplete() {
		t.Errorf("it is not incomplete: %+v", got.Stdout)
	}
	for i := 5; i < 25; i++ { // the host sends it again, in other chunks
		s.apply(t, part(j, all, i*chunk-100, (i+1)*chunk-100))
	}
	if got := s.job(t, j); got.Incomplete() || got.Stdout.Sum != "" {
		t.Errorf("%+v", got.Stdout)
	}
	if got := s.archive(t, j); !bytes.Equal(got, all) {
		t.Errorf("%d bytes that differ from what was sent", len(got))
	}
	if sizes := archiveFiles(t, dir); len(sizes) != 1 || sizes[0] != int64(len(all)) {
		t.Errorf("files of %d bytes", sizes)
	}
	var from []byte
	for g, err := range s.Output(t.Context(), j.ID, wire.Stdout, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		from = append(from, g.Data...)
	}
	if !bytes.Equal(from, all[1<<20:]) {
		t.Error("it cannot be read from the middle")
	}
	jobs, err := s.Jobs(t.Context(), task.ID)
	if err == nil {
		err = s.Sums(t.Context(), jobs)
	}
	if err != nil || jobs[0].Stdout.Sum != "" {
		t.Errorf("an archive has the sum %x, %v", jobs[0].Stdout.Sum, err)
	}
	info, err := os.Stat(filepath.Join(dir, "results.db"))
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("the database: %v, %v", info, err)
	}
}

// Only as much is stored as the task permits, and of standard error no more than of a command.
func TestArchiveIsBounded(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(1)
	task.Archives, task.MaxOutput = true, 1000
	s.add(t, task, jobs)
	s.apply(t, part(jobs[0], make([]byte, 2000), 0, 2000))
	if got := s.job(t, jobs[0]).Stdout.Kept; got != 1000 {
		t.Errorf("kept %d bytes of 1000", got)
	}
}

// An archive that lacks bytes, as after a loss of power, is an error and not a shorter archive.
func TestDamagedArchiveIsReported(t *testing.T) {
	for _, damage := range []struct {
		name string
		do   func(path string) error
	}{{"short", func(p string) error { return os.Truncate(p, 10) }}, {"gone", os.Remove}} {
		dir := t.TempDir()
		s := start(t, dir)
		_, j := s.newCollect(t, 0)
		s.apply(t, part(j, make([]byte, 1000), 0, 1000), collected(j, 1000))
		names, err := filepath.Glob(filepath.Join(dir, archive.DirName, "*"))
		if err == nil {
			err = damage.do(names[0])
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range s.Output(t.Context(), j.ID, wire.Stdout, 0) {
			if !errors.Is(err, model.ErrArchiveDamaged) {
				t.Errorf("%s: %v", damage.name, err)
			}
		}
	}
}

// While the archives are larger than their limit, the oldest collects are deleted, but not the
// newest and not one that goes on. Other tasks stay. The files go with them. Those of jobs that the
// database does not know stay: they may belong to one that was damaged, and was moved away.
func TestRetentionOfArchives(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	run, _ := s.old(t, 9*time.Hour, "web01", "uptime", 100, wire.Exited)
	var want []string
	for i, ended := range []bool{true, false, true, true} {
		task, j := s.newCollect(t, time.Duration(8-i)*time.Hour)
		s.apply(t, part(j, make([]byte, 1000), 0, 1000))
		if ended {
			s.apply(t, collected(j, 1000))
		}
		if i == 1 || i == 3 {
			want = append([]string{task.ID}, want...)
		}
	}
	want = append(want, run.ID)
	orphan := filepath.Join(dir, archive.DirName, "1b4e28ba-2fa1-4d2b-883f-0016d3cca427.tar.gz")
	if err := os.WriteFile(orphan, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.end()
	again, err := Open(dir, Options{Retention: Retention{Archives: 10}})
	if err != nil {
		t.Fatal(err)
	}
	a := newActor(again)
	a.upkeep.deleting = true
	for a.upkeep.deleting {
		a.runUpkeep()
	}
	tasks, err := again.Tasks(t.Context(), 0)
	if err != nil || len(tasks) != len(want) {
		t.Fatalf("%d tasks, want %d, %v", len(tasks), len(want), err)
	}
	for i, task := range tasks {
		if task.ID != want[i] {
			t.Errorf("task %d is %s, want %s", i, task.ID, want[i])
		}
	}
	if sizes := archiveFiles(t, dir); len(sizes) != 3 {
		t.Errorf("files of %d bytes are left", sizes)
	}
	if _, err := os.Stat(orphan); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
