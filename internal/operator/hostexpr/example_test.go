package hostexpr_test

import (
	"fmt"

	"warren/internal/operator/hostexpr"
)

func ExampleExpand() {
	names, err := hostexpr.Expand("web[08-11]!web10", 1000)
	fmt.Println(names, err)
	// Output: [web08 web09 web11] <nil>
}

func ExampleFold() {
	fmt.Println(hostexpr.Fold([]string{"web03", "web01", "db1", "web02", "web10"}))
	// Output: db1,web[01-03,10]
}

func ExampleEvaluate() {
	groups := func(source, name string) (exprs []string, home string, err error) {
		return []string{"db[1-3]"}, source, nil
	}
	hosts, err := hostexpr.Evaluate("web[1-2] @db!db2", 1000, groups)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hosts.Names())
	// Output: [web1 web2 db1 db3]
}
