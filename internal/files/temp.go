package files

import (
	"io/fs"
	"time"
)

// staleAfter is when a staged or spooled file belongs to no push any more: the broker keeps the content
// for seven days.
const staleAfter = 8 * 24 * time.Hour

func isStale(info fs.FileInfo) bool { return time.Since(info.ModTime()) > staleAfter }
