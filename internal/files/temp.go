package files

import (
	"io/fs"
	"time"
)

// staleAfter is when a staged file belongs to no push any more.
const staleAfter = 24 * time.Hour

func isStale(info fs.FileInfo) bool { return time.Since(info.ModTime()) > staleAfter }
