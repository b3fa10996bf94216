package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"warren/internal/agent/status"
	"warren/internal/escape"
)

// status prints the status of the agent on the data directory, and returns the exit status.
func (f *flags) status(stdout, stderr io.Writer) int {
	r, err := status.Query(context.Background(), f.DataDir)
	if err != nil {
		code := exitUsage
		if errors.Is(err, status.ErrNotRunning) {
			code = exitNotRunning
		}
		report(stderr, err)
		return code
	}
	if f.JSON {
		err = json.NewEncoder(escape.JSONWriter(stdout)).Encode(r)
	} else {
		err = r.Print(stdout, language())
	}
	switch {
	case err != nil:
		report(stderr, err)
		return exitFailed
	case len(r.Problems) > 0:
		return exitFailed
	}
	return exitOK
}
