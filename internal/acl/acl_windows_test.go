package acl

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A directory whose entries are not inherited takes all rights from the files in it.
func TestRestrictedDirectoryPassesItsRightsOn(t *testing.T) {
	for dir, rights := range map[bool]string{false: "F", true: "(OI)(CI)F"} {
		command := Restrict(`C:\secret`, dir)
		grants := strings.Fields(strings.TrimPrefix(command, `icacls "C:\secret" /inheritance:r /grant:r `))
		if len(grants) == 0 {
			t.Errorf("%s", command)
		}
		for _, grant := range grants {
			if !strings.HasSuffix(grant, ":"+rights) {
				t.Errorf("%s, want the rights %s", command, rights)
			}
		}
	}
}
