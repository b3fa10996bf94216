package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"warren/internal/agent/status"
	"warren/internal/escape"
	"warren/internal/hint"
	"warren/internal/redact"
)

// Exit statuses of warrend status.
const (
	exitOK         = 0
	exitDegraded   = 1
	exitUsage      = 2
	exitNotRunning = 3
)

// status prints the status of the agent on the data directory, and returns the exit status.
func (f *flags) status(stdout, stderr io.Writer) int {
	r, err := status.Query(context.Background(), f.DataDir)
	if err != nil {
		code := exitUsage
		if errors.Is(err, status.ErrNotRunning) {
			code = exitNotRunning
		}
		fmt.Fprintf(stderr, "error: %s\n", redact.Message(hint.Text(err), os.Args))
		return code
	}
	if f.JSON {
		err = json.NewEncoder(escape.JSONWriter(stdout)).Encode(r)
	} else {
		err = r.Print(stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "error: %s\n", hint.Text(err))
		return exitDegraded
	case len(r.Problems) > 0:
		return exitDegraded
	}
	return exitOK
}
