package collected

import (
	"cmp"
	"slices"

	"warren/repl/result"
)

// An overview finds what differs between hosts. Hosts that have the same list count as one.
type overview struct {
	catalog *catalog
	byList  map[uint32]*class
	classes []*class
}

// A class is the hosts with one list of versions.
type class struct {
	list  []uint32
	hosts []string
}

// A pathReport is what all hosts have at a path.
type pathReport struct {
	path   string
	groups []*group
	byKind map[version]*group
}

// A group is the hosts that have the same version.
type group struct {
	file    result.CollectedFile // of the first
	classes []*class
	size    int // hosts
}

func (g *group) hosts() []string {
	hosts := make([]string, 0, g.size)
	for _, c := range g.classes {
		hosts = append(hosts, c.hosts...)
	}
	return hosts
}

func newOverview(c *catalog) *overview { return &overview{catalog: c, byList: map[uint32]*class{}} }

func (o *overview) add(host string, l list) {
	c := o.byList[l.versions]
	if c == nil {
		c = &class{list: o.catalog.lists.values[l.versions]}
		o.byList[l.versions] = c
		o.classes = append(o.classes, c)
	}
	c.hosts = append(c.hosts, host)
}

// The ranks of paths in a report.
const (
	hasProblem = iota + 1 // failed or missing on a host
	differs
	isSame
)

// paths returns the paths of all hosts, by rank.
func (o *overview) paths() (paths []uint32) {
	type state struct {
		rank  uint8  // 0: no host has the path
		first uint32 // version
	}
	versions, states := o.catalog.versions.values, make([]state, len(o.catalog.texts.values))
	for _, c := range o.classes {
		for _, id := range c.list {
			v := &versions[id]
			s := &states[v.path]
			switch {
			case s.rank == 0:
				*s = state{isSame, id}
				paths = append(paths, v.path)
			case s.rank == isSame && id != s.first && v.kind() != versions[s.first].kind():
				s.rank = differs
			}
			if v.missing != noText || v.failed != noText {
				s.rank = hasProblem
			}
		}
	}
	slices.SortStableFunc(paths, func(a, b uint32) int { return cmp.Compare(states[a].rank, states[b].rank) })
	return paths
}

// reports returns what all hosts have at the first mostPaths paths, and the number of the others.
func (o *overview) reports() (reports []*pathReport, more int) {
	paths := o.paths()
	shown := paths[:min(len(paths), mostPaths)]
	byPath := make(map[uint32]*pathReport, len(shown))
	for _, path := range shown {
		p := &pathReport{path: o.catalog.texts.values[path], byKind: map[version]*group{}}
		byPath[path] = p
		reports = append(reports, p)
	}
	for _, c := range o.classes {
		for _, id := range c.list {
			v := &o.catalog.versions.values[id]
			p := byPath[v.path]
			if p == nil {
				continue
			}
			g := p.byKind[v.kind()]
			if g == nil {
				g = &group{file: result.CollectedFile{File: o.catalog.file(id)}}
				p.byKind[v.kind()] = g
				p.groups = append(p.groups, g)
			}
			g.classes = append(g.classes, c)
			g.size += len(c.hosts)
		}
	}
	for _, p := range reports {
		slices.SortStableFunc(p.groups, func(a, b *group) int { return cmp.Compare(a.size, b.size) })
	}
	return reports, len(paths) - len(shown)
}
