package trust

import "testing"

func mount(t *testing.T, _, _ string) { t.Skip("there are no bind mounts here") }
