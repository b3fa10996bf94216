package collected

import (
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/internal/files/collect"
	"warren/internal/operator/model"
	"warren/repl/result"
)

// A list that is kept comes back as it was, whatever other lists were kept, or were too large.
func TestCatalogReturnsWhatItKeeps(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "", "", "a", "b", "permission denied"})
	file := rapid.Custom(func(t *rapid.T) result.CollectedFile {
		f := collect.File{
			Path: rapid.SampledFrom([]string{"/etc/hosts", "/etc/x", "/var/log/\xff", "C:/y"}).Draw(t, "path"),
			Size: rapid.Int64Range(0, 3).Draw(t, "size"), Missing: text.Draw(t, "missing"), Failed: text.Draw(t, "failed"),
		}
		if f.Missing == "" && f.Failed == "" {
			f.SHA256 = sha256.Sum256([]byte(text.Draw(t, "content")))
		}
		if rapid.Bool().Draw(t, "has a time") {
			f.ModTime = time.Unix(rapid.Int64Range(0, 3).Draw(t, "time"), 0)
		}
		return result.CollectedFile{File: f, Saved: text.Draw(t, "saved")}
	})
	rapid.Check(t, func(t *rapid.T) {
		c := newCatalog()
		kept := map[list][]result.CollectedFile{}
		for range rapid.IntRange(1, 10).Draw(t, "hosts") {
			files := rapid.SliceOfN(file, 0, 5).Draw(t, "files")
			locals := make([]string, len(files))
			for i := range files {
				locals[i] = files[i].Saved
			}
			c.left = rapid.SampledFrom([]int{0, textSize, 300, maxCatalog}).Draw(t, "left")
			before, texts, versions := c.left, slices.Clone(c.texts.values), slices.Clone(c.versions.values)
			l, ok := c.add(files, locals)
			switch {
			case ok && c.left < 0:
				t.Fatalf("it has taken more than it may: %d", c.left)
			case ok:
				kept[l] = files
			case c.left != before || !slices.Equal(texts, c.texts.values) || !slices.Equal(versions, c.versions.values) ||
				len(c.texts.ids) != len(texts) || len(c.versions.ids) != len(versions):
				t.Fatal("it has kept some of a list that is too large")
			}
		}
		for l, want := range kept {
			got := c.files(l, func(local string) string { return local })
			if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(inUTC(got), inUTC(want)) {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		}
	})
}

func inUTC(files []result.CollectedFile) []result.CollectedFile {
	for i := range files {
		files[i].ModTime = files[i].ModTime.UTC()
	}
	return files
}

// Values of the same hash stay apart.
func TestSetWithoutAHash(t *testing.T) {
	s := newSet[string](maphash.MakeSeed())
	s.hash = func(string) uint64 { return 1<<64 - 2 }
	words := []string{"a", "b", "c", "d"}
	for range 2 {
		for i, w := range words {
			if id := s.add(w); id != uint32(i) {
				t.Errorf("%s is number %d", w, id)
			}
		}
	}
	s.truncate(2)
	for i, w := range words {
		if id, ok := s.find(w); ok != (i < 2) || ok && id != uint32(i) {
			t.Errorf("after truncate: %s is number %d, %v", w, id, ok)
		}
	}
	if id := s.add("d"); id != 2 {
		t.Errorf("d is number %d again", id)
	}
}

// heap returns the bytes in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// The memory for a collect grows with what differs between hosts, and not with hosts and files.
func TestListsOfManyHostsTakeLittleMemory(t *testing.T) {
	const hosts, files = 200, 1000
	fleet := func(differ func(host int, f *collect.File)) int {
		before := heap()
		c := newCatalog()
		o := newOverview(c)
		for host := range hosts {
			list, locals := make([]result.CollectedFile, files), make([]string, files)
			for i := range list {
				f := &list[i].File
				f.Path = fmt.Sprintf("/etc/some-directory-%d/configuration-file-%d", i%20, i)
				f.Size, f.SHA256, f.ModTime = 100, sha256.Sum256([]byte(f.Path)), time.Unix(1e9, 0)
				differ(host, f)
				locals[i] = f.Path[1:]
			}
			l, ok := c.add(list, locals)
			if !ok {
				t.Fatalf("host %d is not listed", host)
			}
			o.add(fmt.Sprintf("web%04d", host), l)
		}
		reports, more := o.reports()
		took := heap() - before
		if len(reports) != mostPaths || more != files-mostPaths {
			t.Errorf("%d paths and %d others", len(reports), more)
		}
		runtime.KeepAlive(o)
		runtime.KeepAlive(reports)
		return took
	}
	for _, c := range []struct {
		hosts  string
		differ func(host int, f *collect.File)
		most   int
	}{
		{"are equal", func(int, *collect.File) {}, 1 << 20},
		{"have one file of their own", func(host int, f *collect.File) {
			if path.Base(f.Path) == "configuration-file-7" {
				f.SHA256[0] += byte(host)
				f.SHA256[1] += byte(host >> 8)
			}
		}, 4 << 20},
		{"have files of different times, too", func(host int, f *collect.File) {
			f.ModTime = f.ModTime.Add(time.Duration(host) * time.Second)
			if path.Base(f.Path) == "configuration-file-7" {
				f.SHA256[0] += byte(host)
				f.SHA256[1] += byte(host >> 8)
			}
		}, 6 << 20},
	} {
		took := fleet(c.differ)
		t.Logf("%d hosts with %d files that %s: %d KiB", hosts, files, c.hosts, took>>10)
		if took > c.most {
			t.Errorf("they take more than %d KiB", c.most>>10)
		}
	}
}

// What is kept after a report is what differs, not what each host has sent.
func TestReportOfEqualHostsKeepsLittle(t *testing.T) {
	texts := map[string]string{}
	for i := range 500 {
		texts[fmt.Sprintf("a-configuration-file-%d", i)] = "x"
	}
	s := &fakeStore{sent: map[string][]model.Segment{}}
	sent := archive(t, texts)
	for i := range 60 {
		s.add(fmt.Sprintf("web%02d", i), sent, false)
	}
	v := &result.View{}
	if err := Apply(t.Context(), s, v, &model.Task{}); err != nil {
		t.Fatal(err)
	}
	before := heap()
	wantText(t, report(t, s, v), "/a-configuration-file-0  web[00-59]  1 B", "30000 files, ")
	took := heap() - before
	t.Logf("60 hosts with 500 files: %d KiB", took>>10)
	if took > 1<<20 {
		t.Error("it is too much")
	}
	runtime.KeepAlive(v)
}

// The bytes that the catalog counts are about those that it takes.
func TestCatalogCountsItsMemory(t *testing.T) {
	before := heap()
	c := newCatalog()
	list := make([]result.CollectedFile, 2000)
	locals := make([]string, len(list))
	hosts := 0
	for c.left > maxCatalog-(32<<20) {
		hosts++
		for i := range list {
			p := fmt.Sprintf("/%d/%d/%s", hosts, i, strings.Repeat("x", 40))
			list[i].File = collect.File{Path: p, SHA256: sha256.Sum256([]byte(p)), ModTime: time.Unix(int64(hosts*i), 0)}
			locals[i] = p[1:]
		}
		if _, ok := c.add(list, locals); !ok {
			t.Fatal("it is full")
		}
	}
	took, counted := heap()-before, maxCatalog-c.left
	t.Logf("%d files take %d KiB, and count as %d KiB", hosts*len(list), took>>10, counted>>10)
	if took > 2*counted || counted > 2*took {
		t.Error("the sizes are wrong")
	}
	runtime.KeepAlive(c)
}

// Hosts whose lists find no room are counted, saved and described one at a time, and the report names them.
func TestHostsThatAreNotListed(t *testing.T) {
	s := &fakeStore{sent: map[string][]model.Segment{}}
	same := archive(t, map[string]string{"x": "one", "y": "two"})
	s.add("web01", same, false)
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("own-%d", i)] = ""
	}
	s.add("web02", archive(t, many, "none"), false)
	s.add("web03", same, false)
	dir := t.TempDir()
	v := &result.View{Save: dir}
	if err := Apply(t.Context(), s, v, &model.Task{}); err != nil {
		t.Fatal(err)
	}
	r := readerOf(v)
	r.catalog.left = 10 << 10
	text := report(t, s, v)
	wantText(t, text, "/x  web[01,03]  3 B", "web02", "not listed, because the hosts have too many different files; --json lists them",
		"saved in "+dir+", a directory for each host: 204 files, 12 B, of 3 hosts")
	for i, want := range []int{2, 201, 2} {
		c, err := v.Collect.Host(t.Context(), &s.jobs[i])
		if err != nil || len(c.Files) != want || !strings.HasPrefix(c.Files[0].Saved, filepath.Join(dir, s.jobs[i].Host)+string(filepath.Separator)) || filepath.Base(c.Files[0].Saved) != filepath.Base(c.Files[0].Path) {
			t.Errorf("%s: %d files, the first saved as %q, %v", s.jobs[i].Host, len(c.Files), c.Files[0].Saved, err)
		}
	}
	if err := Status(t.Context(), v, s.jobs); err != nil {
		t.Errorf("%v", err)
	}
	if r.known["web02"].listed || !r.known["web03"].listed {
		t.Error("another host is listed")
	}
}
