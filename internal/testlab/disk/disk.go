// Package disk makes a disk full or silent. It imports no laboratory, so that tests within a package can use it.
package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Fill writes a file that leaves no room on its disk. Removing the file makes room again.
func Fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}
