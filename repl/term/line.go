package term

import (
	"bufio"
	"strings"
)

// ReadLine reads a line and takes its end off. A last line without an end counts.
func ReadLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	if body, ok := strings.CutSuffix(line, "\n"); ok {
		line = strings.TrimSuffix(body, "\r")
	}
	return line, nil
}
