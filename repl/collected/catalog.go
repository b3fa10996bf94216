package collected

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"warren/internal/files/collect"
	"warren/repl/result"
)

// maxCatalog bounds what is kept of the lists of all hosts, in bytes, about. This is enough for two
// million different files. A host may send 64 MiB of paths.
const maxCatalog = 256 << 20

// A catalog keeps the lists of the files of all hosts. Hosts have most files in the same version: it has
// each path, each version of a file and each list once.
type catalog struct {
	left     int // bytes, about
	texts    set[string]
	versions set[version]

	// The columns of lists.
	lists  set[[]uint32] // of versions
	times  set[[]int64]  // when the files were changed, in seconds
	locals set[[]uint32] // texts: paths in the directory of the host; empty if the file was not saved
}

// A version is what some hosts have at a path.
type version struct {
	path, missing, failed uint32 // texts
	size                  int64
	sum                   [32]byte // zero if there is no file, or if it is of no use
}

// kind returns what a report compares: not the size, in which files of no use may differ for the same reason.
func (v *version) kind() version {
	kind := *v
	kind.size = 0
	return kind
}

// A list is the columns of a host in the catalog.
type list struct{ versions, times, locals uint32 }

// The bytes that a new text and a new version take besides the text, with their hashes.
const (
	textSize    = 48
	versionSize = 88
)

// noText is the empty text.
const noText = 0

func newCatalog() *catalog {
	seed := maphash.MakeSeed()
	c := &catalog{
		left: maxCatalog, texts: newSet[string](seed), versions: newSet[version](seed),
		lists: newColumns[uint32](seed), times: newColumns[int64](seed), locals: newColumns[uint32](seed),
	}
	c.texts.add("") // noText
	return c
}

// add keeps the list of a host. locals has where its files are, in its directory. If it is too large, ok is
// false, and nothing is kept of it.
func (c *catalog) add(files []result.CollectedFile, locals []string) (l list, ok bool) {
	left, texts, versions := c.left, len(c.texts.values), len(c.versions.values)
	listed, times, saved := make([]uint32, len(files)), make([]int64, len(files)), make([]uint32, len(files))
	for i := range files {
		f := &files[i]
		v := version{path: c.text(f.Path), missing: c.text(f.Missing), failed: c.text(f.Failed), size: f.Size}
		if f.Missing == "" && f.Failed == "" {
			v.sum = f.SHA256
		}
		if _, ok := c.versions.find(v); !ok {
			c.left -= versionSize
		}
		listed[i], times[i], saved[i] = c.versions.add(v), f.ModTime.Unix(), c.text(locals[i])
		if c.left < 0 {
			break
		}
	}
	if c.left -= cost(&c.lists, listed, 4) + cost(&c.times, times, 8) + cost(&c.locals, saved, 4); c.left < 0 {
		c.texts.truncate(texts)
		c.versions.truncate(versions)
		c.left = left
		return list{}, false
	}
	return list{c.lists.add(listed), c.times.add(times), c.locals.add(saved)}, true
}

// cost returns what a column takes if no host has the same.
func cost[T any](known *set[[]T], column []T, size int) int {
	if _, ok := known.find(column); ok {
		return 0
	}
	return len(column) * size
}

// text returns the number of a text.
func (c *catalog) text(s string) uint32 {
	id, ok := c.texts.find(s)
	if !ok {
		c.left -= len(s) + textSize
		id = c.texts.add(strings.Clone(s)) // it may be a part of a larger one
	}
	return id
}

// file returns what a version is.
func (c *catalog) file(id uint32) collect.File {
	v := &c.versions.values[id]
	return collect.File{Path: c.texts.values[v.path], Missing: c.texts.values[v.missing], Failed: c.texts.values[v.failed], Size: v.size, SHA256: v.sum}
}

// files returns the files of a list. saved returns the path of this operator for one in the directory of
// the host.
func (c *catalog) files(l list, saved func(local string) string) []result.CollectedFile {
	listed, times, locals := c.lists.values[l.versions], c.times.values[l.times], c.locals.values[l.locals]
	files := make([]result.CollectedFile, len(listed))
	for i, id := range listed {
		files[i].File = c.file(id)
		files[i].ModTime = time.Unix(times[i], 0)
		if local := c.texts.values[locals[i]]; local != "" {
			files[i].Saved = saved(local)
		}
	}
	return files
}

// A set numbers different values from 0.
type set[T any] struct {
	values []T
	hash   func(T) uint64
	equal  func(a, b T) bool
	ids    map[uint64]uint32 // by hash; a value whose place is taken has the next one that is free
}

func newSet[T comparable](seed maphash.Seed) set[T] {
	return set[T]{
		hash:  func(v T) uint64 { return maphash.Comparable(seed, v) },
		equal: func(a, b T) bool { return a == b },
		ids:   map[uint64]uint32{},
	}
}

// newColumns returns a set of lists of values.
func newColumns[T comparable](seed maphash.Seed) set[[]T] {
	hash := func(column []T) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, v := range column {
			maphash.WriteComparable(&h, v)
		}
		return h.Sum64()
	}
	return set[[]T]{hash: hash, equal: slices.Equal[[]T], ids: map[uint64]uint32{}}
}

// locate returns the place of a value in ids, or the one where it belongs.
func (s *set[T]) locate(v T) (place uint64, id uint32, ok bool) {
	for place = s.hash(v); ; place++ {
		if id, ok = s.ids[place]; !ok || s.equal(s.values[id], v) {
			return place, id, ok
		}
	}
}

// find returns the number of a value that is known.
func (s *set[T]) find(v T) (id uint32, ok bool) {
	_, id, ok = s.locate(v)
	return id, ok
}

// add returns the number of a value.
func (s *set[T]) add(v T) uint32 {
	place, id, ok := s.locate(v)
	if !ok {
		id = uint32(len(s.values))
		s.ids[place] = id
		s.values = append(s.values, v)
	}
	return id
}

// truncate removes the values from the number n on: the last first, because none has a place behind it.
func (s *set[T]) truncate(n int) {
	for _, v := range slices.Backward(s.values[n:]) {
		place, _, _ := s.locate(v)
		delete(s.ids, place)
	}
	clear(s.values[n:])
	s.values = s.values[:n]
}
