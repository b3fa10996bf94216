// Package merkle builds and verifies the Merkle trees of RFC 6962, section 2.1.
package merkle

import (
	"crypto/sha256"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// maxPath is the length of a path in a tree of a million leaves; it is no limit.
const maxPath = 20

// A Node is the hash of a leaf, or of two nodes.
type Node [sha256.Size]byte

// A Tree is a Merkle tree by RFC 6962, section 2.1, with all its nodes kept, so
// that a path costs no hashing. Level 0 are the leaves' hashes; each further
// level pairs its predecessor's from the left and takes a last odd one over as
// it is, which yields the same tree as the RFC's recursion.
type Tree [][]Node

// New returns the tree over the hashes of leaves.
func New(leaves []Node) Tree {
	t := Tree{leaves}
	for level := leaves; len(level) > 1; {
		next := make([]Node, 0, (len(level)+1)/2)
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, hashChildren(level[i][:], level[i+1][:]))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		t = append(t, next)
		level = next
	}
	return t
}

// Root returns the head of the tree.
func (t Tree) Root() []byte { return t[len(t)-1][0][:] }

// Path lists the hashes that lead from leaf i to the root, from below.
func (t Tree) Path(i int) [][]byte {
	path := make([][]byte, 0, maxPath) // a constant, so that it may be on the caller's stack
	for _, level := range t[:len(t)-1] {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling][:])
		}
		i /= 2
	}
	return path
}

// HashLeaf is rfc6962's HashLeaf, in one call of SHA-256.
func HashLeaf(text []byte) Node {
	var room [512]byte // enough for a leaf's text
	return sha256.Sum256(append(append(room[:0], rfc6962.RFC6962LeafHashPrefix), text...))
}

// hashChildren is rfc6962's HashChildren, in one call of SHA-256.
func hashChildren(l, r []byte) Node {
	var room [1 + 2*sha256.Size]byte
	return sha256.Sum256(append(append(append(room[:0], rfc6962.RFC6962NodeHashPrefix), l...), r...))
}

// hasher has the library verify with hashChildren.
type hasher struct{ *rfc6962.Hasher }

func (hasher) HashChildren(l, r []byte) []byte {
	n := hashChildren(l, r)
	return n[:]
}

// Verify reports whether the text is leaf number index of a tree with that size and root.
func Verify(text string, index, size int, path [][]byte, root []byte) bool {
	leaf := HashLeaf([]byte(text))
	return proof.VerifyInclusion(hasher{rfc6962.DefaultHasher}, uint64(index), uint64(size), leaf[:], path, root) == nil
}
