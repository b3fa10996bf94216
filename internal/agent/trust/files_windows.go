package trust

import (
	"io/fs"
	"time"
)

// stamp tells a file from a later one of the same name.
type stamp struct {
	never   bool
	size    int64
	mode    fs.FileMode
	written time.Time
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{size: info.Size(), mode: info.Mode(), written: info.ModTime()}
}
