package wire_test

import (
	"fmt"

	"warren/internal/wire"
)

// One signature covers the jobs of all hosts of a task. Each host gets its own leaf of
// the Merkle tree, and learns nothing about the other hosts.
func ExampleNewBatch() {
	statement := wire.Statement{
		Type: wire.TypeRun, Task: "11111111-1111-4111-8111-111111111111",
		IssuedAt: 1_790_000_000_000, NotAfter: 1_790_000_060_000, ReplyTo: wire.ReplyQueue("alice", "k3v9q2m7"),
		Run: &wire.Run{Command: "uptime", MaxOutput: 1 << 20},
	}
	leaves := []wire.Leaf{
		{Job: "22222222-2222-4222-8222-222222222222", Host: "web01", Index: 0},
		{Job: "33333333-3333-4333-8333-333333333333", Host: "web02", Index: 1},
	}
	signatures := 0
	batch, err := wire.NewBatch(statement, leaves, func([]byte) (string, error) {
		signatures++
		return "U1NIU0lH", nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := wire.DecodeRequest(batch.Body(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signatures, request.Leaf.Host, request.Statement.Run.Command)
	// Output: 1 web02 uptime
}
