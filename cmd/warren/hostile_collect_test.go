//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/internal/files"
	"warren/internal/wire"
)

// An archive is what a played host sends of a collect.
type archive struct {
	t   *testing.T
	buf bytes.Buffer
	zip *gzip.Writer
	tar *tar.Writer
}

func newArchive(t *testing.T) *archive {
	a := &archive{t: t}
	a.zip, _ = gzip.NewWriterLevel(&a.buf, gzip.BestSpeed) // the level is right
	a.tar = tar.NewWriter(a.zip)
	return a
}

// file adds a file whose content follows of, with the SHA-256 of another.
func (a *archive) file(name, content, of string) *archive {
	a.entry(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content))}, content)
	sum := sha256.Sum256([]byte(of))
	a.entry(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"WARREN.sha256": hex.EncodeToString(sum[:])}}, "")
	return a
}

func (a *archive) entry(h *tar.Header, content string) {
	a.t.Helper()
	err := a.tar.WriteHeader(h)
	if err == nil && content != "" {
		_, err = a.tar.Write([]byte(content))
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) bytes() []byte {
	a.t.Helper()
	if err := errors.Join(a.tar.Close(), a.zip.Close()); err != nil {
		a.t.Fatal(err)
	}
	return a.buf.Bytes()
}

// Hosts send archives that no agent sends, and another login forges parts of one. Nothing is
// written outside of the directory of a host, what came before is kept, each host is reported
// by itself, and the archives of honest hosts are saved.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	good := func() *archive { return newArchive(t).file("etc/good", "good", "good") }
	many := newArchive(t)
	for i := range files.MaxEntries + 1 {
		many.entry(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"WARREN.path": fmt.Sprint(i), "WARREN.missing": "no"}}, "")
	}
	escape := filepath.Join(p.dir, "escaped")
	rows := []struct {
		name    string
		archive []byte
		said    string   // "": it is honest
		saved   []string // beside etc/good
	}{
		{"honest", good().bytes(), "", nil},
		{"above", good().file("../../escaped", "x", "x").bytes(), "without ..", nil},
		{"absolute", good().file(escape, "x", "x").bytes(), "not a full path", nil},
		{"drive", good().file("C:/../../../escaped", "x", "x").bytes(), "without ..", nil},
		{"twice", good().file("etc/good", "evil", "evil").bytes(), "occurs twice", nil},
		{"lie", good().file("etc/evil", "evil", "good").bytes(), "does not match the SHA-256", nil},
		{"bomb", good().file("etc/bomb", strings.Repeat("\x00", 4<<20), "").bytes(), "larger than --max-size", nil},
		{"many", many.bytes(), "more than 200000 files", nil},
		{"controls", good().file("etc/\x1b]0;evil\a\n\xff", "x", "x").bytes(), "", []string{"etc/%1B]0;evil%07%0A%FF"}},
		{"time", func() []byte {
			a := good()
			a.entry(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/late", Size: 1, ModTime: time.Unix(3e11, 0), Format: tar.FormatPAX}, "x")
			a.entry(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"WARREN.failed": "no"}}, "")
			return a.bytes()
		}(), "", nil}, // after the year 9999
		{"link", func() []byte {
			a := good()
			a.entry(&tar.Header{Typeflag: tar.TypeSymlink, Name: "etc/link", Linkname: "/etc"}, "")
			return a.file("etc/link/passwd", "x", "x").bytes()
		}(), "is not a file", nil},
		{"far", good().bytes(), "", nil}, // with a part far behind the end
		{"altered", good().bytes(), "did not send a valid archive", nil},
	}
	var hosts []string
	for _, r := range rows {
		hosts = append(hosts, p.prefix+r.name)
	}
	f := newFleet(t, p.broker, hosts)
	out := filepath.Join(p.dir, "out")
	w := p.start("collect", "/etc", "--hosts", strings.Join(hosts, " "), "--save", out, "--max-size", "1MiB", "--start-timeout", "10m")
	f.receive(hosts)
	for i, r := range rows {
		j := f.jobs[hosts[i]]
		data := bytes.Clone(r.archive)
		if r.name == "altered" { // by a login that knows the id of the job
			data[len(data)/2] ^= 1
		}
		if r.name == "honest" { // by one that does not
			m := j.output(wire.Stdout, int64(0), []byte("forged"))
			m.CorrelationId = j.Statement.Task
			f.publish(j.replyTo, m)
		}
		if r.name == "far" {
			f.publish(j.replyTo, j.output(wire.Stdout, int64(1)<<45, []byte("far")))
		}
		for at := 0; at < len(data); at += wire.MaxChunk {
			f.publish(j.replyTo, j.output(wire.Stdout, int64(at), data[at:min(len(data), at+wire.MaxChunk)]))
		}
		e := j.ended()
		e.Stdout = &wire.Stream{Size: int64(len(data))}
		f.publish(j.replyTo, j.reply(e))
		f.publish(j.replyTo, j.output(wire.Stdout, int64(0), []byte("forged"))) // too late
	}
	if status := ended(t, w); status != 1 {
		t.Errorf("it ended with %d", status)
	}
	said := w.Out.String() + w.Err.String()
	want := map[string]bool{}
	for i, r := range rows {
		if r.said != "" {
			has(t, said, r.said)
		}
		for _, name := range append([]string{"etc/good"}, r.saved...) {
			want[filepath.Join(hosts[i], name)] = r.name != "many" && r.name != "altered"
		}
	}
	err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(out, path)
		text, readErr := os.ReadFile(path)
		if _, ok := want[name]; !ok || !e.Type().IsRegular() || filepath.Base(name) == "good" && string(text) != "good" {
			t.Errorf("saved %s: %.20q", name, text)
		}
		delete(want, name)
		return errors.Join(err, readErr)
	})
	for name, must := range want {
		if must {
			t.Errorf("%s was not saved", name)
		}
	}
	if _, statErr := os.Lstat(escape); err != nil || statErr == nil {
		t.Errorf("a file has escaped: %v, %v", statErr, err)
	}
	if text := p.want(1, "check_task", "-1", "--json").out; !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}
	if strings.ContainsAny(said, "\x1b\a") {
		t.Errorf("control characters are printed: %q", said)
	}
	if t.Failed() {
		t.Log(said)
	}
}
