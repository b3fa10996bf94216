//go:build unix

package process_test

import (
	"errors"
	"os"
	"os/user"
	"strings"
	"testing"

	"warren/internal/agent/process"
)

// Only root can switch to another user; every user can be itself.
func TestLookupUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", me.Username} {
		u, err := process.LookupUser(name)
		if err != nil || u.Name != me.Username {
			t.Errorf("%q: %+v, %v", name, u, err)
		}
	}
	if _, err := process.LookupUser("no-such-user"); err == nil || !strings.Contains(err.Error(), `no such user "no-such-user"`) {
		t.Errorf("%v", err)
	}
	other := "nobody"
	if me.Username == other {
		other = "root"
	}
	u, err := process.LookupUser(other)
	if os.Geteuid() == 0 {
		if err != nil || u.Name != other {
			t.Errorf("%+v, %v", u, err)
		}
		return
	}
	if !errors.Is(err, process.ErrCannotSwitch) || !strings.Contains(err.Error(), "does not run as root") {
		t.Errorf("%v", err)
	}
}
