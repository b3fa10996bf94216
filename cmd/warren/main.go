// Command warren is the operator's program: alone it opens the REPL, with a
// command it runs that one. See warren help.
package main

import (
	"os"

	"warren/internal/operator"
)

func main() { os.Exit(operator.Main(os.Args[1:])) }
