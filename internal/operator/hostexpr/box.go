package hostexpr

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// Folding in several dimensions: each name is a point, and points grow into
// boxes, a list of numbers on each axis. Two boxes become one where they are the
// same on all axes but one. Which of the many ways to do so is taken decides how
// the result reads; this is nodeset's way, pass by pass. The boxes never
// overlap, and nodeset compares each with each, so that its time grows with the
// square of their number (https://github.com/cea-hpc/clustershell/issues/565).
// Here a box finds its like by a hash of all its axes but one.

// maxMergePasses ends a fold whose passes change little each. The result is correct at
// any time.
const maxMergePasses = 64

// A sum identifies a set of numbers, or several: it is made by addition, so that
// it does not depend on the order and grows with its set. Its seeds are new in
// each process, so that an attacker who chooses host names cannot make two sets collide.
type sum [2]uint64

func (s sum) plus(t sum) sum  { return sum{s[0] + t[0], s[1] + t[1]} }
func (s sum) minus(t sum) sum { return sum{s[0] - t[0], s[1] - t[1]} }

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sumOf[T comparable](v T) sum {
	return sum{maphash.Comparable(seeds[0], v), maphash.Comparable(seeds[1], v)}
}

// An axis is the numbers of a box in one dimension.
type axis struct {
	ids         []int32
	first, last int32 // the least and the greatest of them
	sum         sum
	placed      sum // of the sum and the axis' place, for the box's own
}

func (a *axis) place(i int) {
	a.placed = sumOf(struct {
		place int
		sum   sum
	}{i, a.sum})
}

// A box is the names with any of the numbers on each axis.
type box struct {
	axes  []axis
	size  int
	sum   sum // of all axes
	index int // in its list, before a pass
	gone  bool
}

// rest identifies all axes but one.
func (b *box) rest(i int) sum { return b.sum.minus(b.axes[i].placed) }

// absorb makes the box larger by another that differs from it on one axis.
func (b *box) absorb(o *box, i int) {
	a, more := &b.axes[i], &o.axes[i]
	a.ids = append(a.ids, more.ids...)
	a.first, a.last = min(a.first, more.first), max(a.last, more.last)
	a.sum = a.sum.plus(more.sum)
	rest := b.rest(i)
	a.place(i)
	b.sum = rest.plus(a.placed)
	b.size += o.size
	o.gone = true
}

// differs returns the one axis on which the boxes differ.
func (b *box) differs(o *box) (at int, one bool) {
	at = -1
	for i := range b.axes {
		if b.axes[i].sum == o.axes[i].sum {
			continue
		}
		if at >= 0 {
			return -1, false
		}
		at = i
	}
	return at, at >= 0
}

// boxes are the boxes of one shape.
type boxes struct {
	numbers *numbers
	list    []*box
}

// boxes makes one of each different name.
func (k *numbers) boxes(names [][]string) *boxes {
	sums := make([]sum, len(k.texts))
	for id := range sums {
		sums[id] = sumOf(int32(id))
	}
	seen := make(map[sum]bool, len(names))
	bs := &boxes{numbers: k}
	for _, name := range names {
		b := &box{axes: make([]axis, len(name)), size: 1}
		for i, n := range name {
			id := k.id[n]
			b.axes[i] = axis{ids: []int32{id}, first: id, last: id, sum: sums[id]}
			b.axes[i].place(i)
			b.sum = b.sum.plus(b.axes[i].placed)
		}
		if !seen[b.sum] {
			seen[b.sum] = true
			bs.list = append(bs.list, b)
		}
	}
	return bs
}

// merge merges what can be merged: first neighbors, for as long as that changes
// anything, then any two.
func (bs *boxes) merge() []*box {
	pass, last := bs.neighbors, false
	for range maxMergePasses {
		bs.sort()
		before := len(bs.list)
		pass()
		bs.list = slices.DeleteFunc(bs.list, func(b *box) bool { return b.gone })
		if len(bs.list) < before {
			continue
		}
		if last {
			break
		}
		pass, last = bs.pairs, true
	}
	return bs.list
}

// sort puts the largest first, then those with the longest axes, then by the
// texts of their first and last numbers; what is equal stays in its order.
func (bs *boxes) sort() {
	for i, b := range bs.list {
		b.index = i
	}
	lex := bs.numbers.lex
	slices.SortFunc(bs.list, func(a, b *box) int {
		if a.size != b.size {
			return cmp.Compare(b.size, a.size)
		}
		for i := range a.axes {
			x, y := &a.axes[i], &b.axes[i]
			switch {
			case len(x.ids) != len(y.ids):
				return cmp.Compare(len(y.ids), len(x.ids))
			case x.first != y.first:
				return cmp.Compare(lex[x.first], lex[y.first])
			case x.last != y.last:
				return cmp.Compare(lex[x.last], lex[y.last])
			}
		}
		return cmp.Compare(a.index, b.index)
	})
}

// neighbors merges each box with those that follow it at once.
func (bs *boxes) neighbors() {
	for i := 0; i < len(bs.list); {
		b := bs.list[i]
		for i++; i < len(bs.list); i++ {
			at, one := b.differs(bs.list[i])
			if !one {
				break
			}
			b.absorb(bs.list[i], at)
		}
	}
}
