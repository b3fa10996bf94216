package hostexpr

import (
	"cmp"
	"slices"
	"strings"
)

// numberMark replaces a number in a shape. It sorts before all characters of a name, as
// nodeset's own mark does.
const numberMark = "\x00"

// Fold returns a short expression for the names, whatever their order: those
// that differ in their numbers only share ranges, in several dimensions where
// there are several numbers. Expand gives the same names back. Repeated names
// count once; no name gives "". The text is nodeset's own, in time that grows
// little faster than the number of names.
func Fold(names []string) string {
	byShape := make(map[string][][]string) // the numbers of each name
	for _, name := range names {
		shape, numbers := split(name)
		byShape[shape] = append(byShape[shape], numbers)
	}
	shapes := make([]string, 0, len(byShape))
	for shape := range byShape {
		shapes = append(shapes, shape)
	}
	slices.Sort(shapes)
	var words []string
	for _, shape := range shapes {
		texts := strings.Split(shape, numberMark)
		if len(texts) == 1 {
			words = append(words, shape)
			continue
		}
		for _, ranges := range foldNumbers(byShape[shape]) {
			words = append(words, joinPattern(texts, ranges))
		}
	}
	return strings.Join(words, ",")
}

// split takes the numbers out of a name. One that is too long for a range stays.
func split(name string) (shape string, numbers []string) {
	var b strings.Builder
	for i := 0; i < len(name); {
		if n := digits(name[i:]); n != "" {
			if i += len(n); len(n) > maxDigits {
				b.WriteString(n)
				continue
			}
			b.WriteString(numberMark)
			numbers = append(numbers, n)
			continue
		}
		b.WriteByte(name[i])
		i++
	}
	return b.String(), numbers
}

// joinPattern puts ranges between texts.
func joinPattern(texts, ranges []string) string {
	var b strings.Builder
	b.WriteString(texts[0])
	for i, r := range ranges {
		b.WriteString(r)
		b.WriteString(texts[i+1])
	}
	return b.String()
}

// foldNumbers folds the names of one shape. Each result is a range, or a single
// number, for each of the shape's holes.
func foldNumbers(names [][]string) [][]string {
	known := newNumbers(names)
	var folded [][]string
	for _, b := range known.boxes(names).merge() {
		ranges := make([]string, len(b.axes))
		for i, a := range b.axes {
			ranges[i] = known.write(a.ids)
		}
		folded = append(folded, ranges)
	}
	return folded
}

// numbers are the different numbers of one shape. A number's id is its rank in
// the order of ranges: by length, then by text, so that 9 comes before 10 and
// both before 010.
type numbers struct {
	texts []string
	id    map[string]int32
	lex   []int32 // its rank in the order of texts alone
}

func newNumbers(names [][]string) *numbers {
	k := &numbers{id: make(map[string]int32)}
	for _, name := range names {
		for _, n := range name {
			if _, ok := k.id[n]; !ok {
				k.id[n] = 0
				k.texts = append(k.texts, n)
			}
		}
	}
	slices.Sort(k.texts)
	rank := make(map[string]int32, len(k.texts))
	for i, n := range k.texts {
		rank[n] = int32(i)
	}
	slices.SortStableFunc(k.texts, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	k.lex = make([]int32, len(k.texts))
	for i, n := range k.texts {
		k.id[n], k.lex[i] = int32(i), rank[n]
	}
	return k
}

// write makes "01-20" of ids, in brackets where they are several.
func (k *numbers) write(ids []int32) string {
	if len(ids) == 1 {
		return k.texts[ids[0]]
	}
	slices.Sort(ids)
	var b strings.Builder
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && follows(k.texts[ids[i]], k.texts[ids[j]], k.texts[ids[j+1]]) {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if b.WriteString(k.texts[ids[i]]); j > i {
			b.WriteByte('-')
			b.WriteString(k.texts[ids[j]])
		}
		i = j + 1
	}
	return "[" + b.String() + "]"
}

// follows reports whether a range that begins with first and has come to last
// can go on with next: what is padded keeps its length.
func follows(first, last, next string) bool {
	switch {
	case value(next) != value(last)+1:
		return false
	case isPadded(first):
		return len(next) == len(first)
	default:
		return !isPadded(next)
	}
}
