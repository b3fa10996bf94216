//go:build unix

package term

import "os"

// open opens the controlling terminal.
func open() (in, out *os.File, err error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return tty, tty, err
}
