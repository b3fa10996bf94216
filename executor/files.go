package executor

import (
	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/wire"
)

// codePage returns the code page of a run's output; 0 is that of files, and of a system
// without code pages.
func (c *Config) codePage(r *wire.Run) int {
	if r.HasFiles() {
		return 0
	}
	page := c.CodePage()
	if page != 0 && process.PrintsUTF8(r.Shell, r.Command+string(r.Script)) {
		return process.CodePageUTF8
	}
	return page
}

// fileBroker returns the options of a connection for the content of a push.
func (c *Config) fileBroker() broker.Options {
	o := c.Broker
	o.Dial.Name += " (files)"
	return o
}
