package files

import (
	"crypto/rand"
	"encoding/hex"
	"io/fs"
	"time"
)

// staleAfter is when a staged file belongs to no push any more.
const staleAfter = 24 * time.Hour

func isStale(info fs.FileInfo) bool { return time.Since(info.ModTime()) > staleAfter }

// newToken returns a part of a name that no other push has.
func newToken() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
