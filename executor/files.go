package executor

import (
	"warren/internal/broker"
	"warren/internal/wire"
)

// codePage returns the code page of a run's output. That of files is always UTF-8.
func (c *Config) codePage(r *wire.Run) int {
	if r.HasFiles() {
		return 0
	}
	return c.CodePage()
}

// fileBroker returns the options of a connection for the content of a push.
func (c *Config) fileBroker() broker.Options {
	o := c.Broker
	o.Dial.Name += " (files)"
	return o
}
