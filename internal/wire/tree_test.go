package wire

import (
	"bytes"
	"fmt"
	"testing"

	"warren/internal/wire/merkle"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// referenceRoot computes the tree head another way, by the library.
func referenceRoot(t *testing.T, hashes []merkle.Node) []byte {
	t.Helper()
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for _, h := range hashes {
		if err := r.Append(h[:], nil); err != nil {
			t.Fatal(err)
		}
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func testTree(n int) (texts []string, hashes []merkle.Node, tr merkle.Tree) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("leaf %d", i))
		hashes = append(hashes, merkle.HashLeaf([]byte(texts[i])))
	}
	return texts, hashes, merkle.New(hashes)
}

func TestTreeAgreesWithRFC6962(t *testing.T) {
	sizes := []int{10_000}
	for n := 1; n <= 130; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		texts, hashes, tr := testTree(n)
		if !bytes.Equal(tr.Root(), referenceRoot(t, hashes)) {
			t.Fatalf("n=%d: another root", n)
		}
		for i := range n {
			path := tr.Path(i)
			if len(path) > MaxPath {
				t.Fatalf("n=%d i=%d: path of %d", n, i, len(path))
			}
			if err := verifyInclusion(texts[i], i, n, path, tr.Root()); err != nil {
				t.Fatalf("n=%d i=%d: %v", n, i, err)
			}
		}
	}
}

func TestTreeRefusesForeignLeaves(t *testing.T) {
	for n := 2; n <= 130; n++ {
		texts, _, tr := testTree(n)
		for _, i := range []int{0, n / 2, n - 1} {
			path, root := tr.Path(i), tr.Root()
			other := (i + 1) % n
			flipped := append([][]byte{append([]byte{path[0][0] ^ 1}, path[0][1:]...)}, path[1:]...)
			for what, err := range map[string]error{
				"another leaf":  verifyInclusion(texts[other], i, n, path, root),
				"another index": verifyInclusion(texts[i], other, n, path, root),
				"another path":  verifyInclusion(texts[i], i, n, tr.Path(other), root),
				"a flipped bit": verifyInclusion(texts[i], i, n, flipped, root),
				"a short path":  verifyInclusion(texts[i], i, n, path[1:], root),
				"a long path":   verifyInclusion(texts[i], i, n, append(path[:len(path):len(path)], root), root),
				"a short hash":  verifyInclusion(texts[i], i, n, append([][]byte{path[0][1:]}, path[1:]...), root),
				"another root":  verifyInclusion(texts[i], i, n, path, path[0]),
				"another size":  verifyInclusion(texts[i], i, 4*n, path, root),
			} {
				if err == nil {
					t.Errorf("n=%d i=%d: %s passes", n, i, what)
				}
			}
		}
	}
}
