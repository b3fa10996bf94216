package cli

import (
	"fmt"
	"io"
	"os"

	"warren/repl/term"
)

// An InputFile is what a file is read for that the command line names.
type InputFile struct {
	Most     int    // bytes
	TooLarge string // what a larger file is
	Smaller  string // hint, of a larger file
	Missing  string // hint, of one that cannot be opened; may be empty
}

// Read reads a file whole; "-" is in.
func (c *InputFile) Read(flag, name string, in io.Reader) ([]byte, error) {
	from := in
	switch {
	case name == "-" && in == nil:
		return nil, Usage("name a file", "%s -: standard input holds the commands", flag)
	case name != "-":
		f, err := os.Open(name)
		if err != nil {
			return nil, &Error{Status: ExitUsage, Text: fmt.Sprintf("%s: %v", flag, err), Hint: c.Missing, Err: err}
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, int64(c.Most)+1))
	if err != nil {
		return nil, WithStatus(ExitUsage, fmt.Errorf("%s: %w", flag, err))
	}
	if len(data) > c.Most {
		return nil, Usage(c.Smaller, "%s %s: the file is %s, the limit is %s", flag, name, c.TooLarge, term.Size(int64(c.Most)))
	}
	return data, nil
}
