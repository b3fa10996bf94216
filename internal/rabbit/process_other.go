//go:build !unix

package rabbit

import (
	"os/exec"
	"time"
)

// A process cannot exist here: findPrograms finds nothing to start.
type process struct {
	pid  int
	done chan struct{}
}

func launch(*exec.Cmd) (*process, error)    { return nil, ErrNotInstalled }
func (p *process) alive() bool              { return false }
func (p *process) kill() error              { return nil }
func (p *process) stop(time.Duration) error { return nil }
