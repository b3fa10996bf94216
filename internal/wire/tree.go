package wire

import (
	"crypto/sha256"

	"warren/internal/wire/merkle"
	"warren/internal/wire/strict"
)

// verifyInclusion checks that the text is leaf number index of a tree with that size and
// root.
func verifyInclusion(text string, index, size int, path [][]byte, root []byte) error {
	for i, h := range path {
		if len(h) != sha256.Size {
			return strict.Invalid("path", "has a hash of %d bytes at [%d], want %d", len(h), i, sha256.Size)
		}
	}
	if !merkle.Verify(text, index, size, path, root) {
		return strict.Invalid("path", "does not lead from the leaf to the statement's root")
	}
	return nil
}
