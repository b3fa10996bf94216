package trust

import (
	"io/fs"
	"time"
)

// A stamp changes when another file takes the name, or when the file changes.
type stamp struct {
	never   bool
	size    int64
	mode    fs.FileMode
	written time.Time
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{size: info.Size(), mode: info.Mode(), written: info.ModTime()}
}
