package wire

import (
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// A tree is a Merkle tree by RFC 6962, section 2.1, with all its nodes kept, so
// that a path costs no hashing. Level 0 are the leaves' hashes; each further
// level pairs its predecessor's from the left and takes a last odd one over as
// it is, which yields the same tree as the RFC's recursion.
type tree [][][]byte

func newTree(leaves [][]byte) tree {
	t := tree{leaves}
	for level := leaves; len(level) > 1; {
		next := make([][]byte, 0, (len(level)+1)/2)
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, rfc6962.DefaultHasher.HashChildren(level[i], level[i+1]))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		t = append(t, next)
		level = next
	}
	return t
}

func (t tree) root() []byte { return t[len(t)-1][0] }

// path lists the hashes that lead from leaf i to the root, from below.
func (t tree) path(i int) [][]byte {
	path := make([][]byte, 0, len(t)-1)
	for _, level := range t[:len(t)-1] {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		i /= 2
	}
	return path
}

func hashLeaf(text []byte) []byte { return rfc6962.DefaultHasher.HashLeaf(text) }

// onPath checks that the leaf's text is number index of size below root.
func onPath(text string, index, size int, path [][]byte, root []byte) error {
	for i, h := range path {
		if len(h) != rfc6962.DefaultHasher.Size() {
			return faulty("path", "has a hash of %d bytes at [%d], want %d", len(h), i, rfc6962.DefaultHasher.Size())
		}
	}
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), hashLeaf([]byte(text)), path, root)
	if err != nil {
		return faulty("path", "does not lead from the leaf to the statement's root")
	}
	return nil
}
