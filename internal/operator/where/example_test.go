package where_test

import (
	"fmt"

	"warren/internal/operator/where"
	"warren/internal/wire"
)

func ExampleCondition_Match() {
	condition, err := where.Parse(`role == "web" and cpus >= 8`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, cpus := range []int{4, 16} {
		fmt.Println(condition.Match(&wire.Hello{Facts: wire.Facts{CPUs: cpus, Labels: map[string]string{"role": "web"}}}))
	}
	// Output:
	// false <nil>
	// true <nil>
}
