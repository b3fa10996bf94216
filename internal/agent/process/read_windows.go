package process

import "os"

// hurryReads ends the readers: a pipe has no deadlines here.
func (p *pipes) hurryReads() { p.closeReads() }

// readNow is not reached, for want of deadlines.
func readNow(*os.File, []byte) (int, error) { return 0, os.ErrDeadlineExceeded }
