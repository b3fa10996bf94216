// Command warren-floor is what AMQP itself costs; warren-lab bench measures
// Warren against it.
package main

import (
	"os"

	"warren/internal/testlab/bench/floor"
)

func main() { os.Exit(floor.Main(os.Args[1:])) }
