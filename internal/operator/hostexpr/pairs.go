package hostexpr

// pairs merges each box with the nearest one behind it that differs on one axis
// only, and goes on from there with the larger box.
func (bs *boxes) pairs() {
	alike := bs.alike()
	for i, b := range bs.list {
		for at := i; !b.gone; {
			axis, next := -1, len(bs.list)
			for d := range b.axes {
				if r := alike[axisPair{d, b.rest(d)}]; r != nil {
					if j := r.after(at); j < next {
						axis, next = d, j
					}
				}
			}
			if axis < 0 {
				break
			}
			b.absorb(bs.list[next], axis)
			at = next
		}
	}
}

// An axisPair is what boxes that can be merged have in common: everything but one axis.
type axisPair struct {
	axis int
	rest sum
}

// alike finds the boxes of each likeness. It need not follow what is merged: only
// boxes further on are looked for, and those have not changed yet, or are gone.
func (bs *boxes) alike() map[axisPair]*row {
	rows := make(map[axisPair]*row, len(bs.list))
	for i, b := range bs.list {
		for d := range b.axes {
			key := axisPair{d, b.rest(d)}
			r := rows[key]
			if r == nil {
				r = &row{list: bs.list}
				rows[key] = r
			}
			r.places = append(r.places, int32(i))
		}
	}
	return rows
}

// A row is the places of boxes of one likeness, in order.
type row struct {
	list   []*box
	places []int32
	skip   []int32 // of a box that is gone: one further on in the row, made when needed
}

// after returns the first place after at whose box is still there, or one beyond
// all places.
func (r *row) after(at int) int {
	lo, hi := 0, len(r.places)
	for lo < hi {
		if mid := (lo + hi) / 2; int(r.places[mid]) > at {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo = r.live(lo); lo < len(r.places) {
		return int(r.places[lo])
	}
	return len(r.list)
}

// live returns the first index from i on whose box still exists. It shortens the path for
// later calls.
func (r *row) live(i int) int {
	end := i
	for end < len(r.places) && r.list[r.places[end]].gone {
		if r.skip == nil {
			r.skip = make([]int32, len(r.places))
		}
		end = max(end+1, int(r.skip[end]))
	}
	for i < end {
		next := max(i+1, int(r.skip[i]))
		r.skip[i] = int32(end)
		i = next
	}
	return end
}
