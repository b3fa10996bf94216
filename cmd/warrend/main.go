// Command warrend is the agent: a daemon on each managed host that takes
// requests from the host's own queue in RabbitMQ, executes them and answers.
//
// It exits with 0 after a signal, with 2 on a configuration error.
package main

import (
	"os"

	"warren/internal/agent"
)

func main() { os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr)) }
