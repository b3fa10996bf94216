// Command warren is the operator's program: alone it opens the REPL, with a
// command it runs that one. See warren help.
package main

import (
	"context"
	"os"

	"warren/cmd/internal/operator"
	"warren/repl"
)

func main() { os.Exit(repl.Main(context.Background(), os.Args[1:], repl.OS(), operator.Open)) }
