//go:build unix

package trust

import (
	"os/exec"
	"strings"
	"testing"
)

// A shell splits the output of Quote into the same words.
func TestShellSplitsQuotedWords(t *testing.T) {
	sample := quotedWords.Example(7)
	for i := range 20 {
		sample = append(sample, quotedWords.Example(i)...)
	}
	out, err := exec.Command("sh", "-c", `printf '%s\001' `+Quote(sample)).Output()
	if err != nil || string(out) != strings.Join(sample, "\x01")+"\x01" {
		t.Errorf("the shell reads %q, %v; want %q", out, err, sample)
	}
}
