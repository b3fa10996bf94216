package hint_test

import (
	"fmt"
	"io/fs"

	"warren/internal/hint"
)

func ExampleErrorf() {
	err := hint.Errorf("chmod 600 key", "cannot use key: %w", fs.ErrPermission)
	fmt.Println("error:", hint.Text(err))
	// Output:
	// error: cannot use key: permission denied
	// hint: chmod 600 key
}
