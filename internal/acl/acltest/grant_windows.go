package acltest

import (
	"testing"

	"golang.org/x/sys/windows"

	"warren/internal/acl"
)

// Grant replaces the access control list of a file: SYSTEM and this user have all rights,
// and Everyone has those in the syntax of SDDL, if any.
func Grant(t testing.TB, path, everyone string) {
	t.Helper()
	sddl := "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;" + acl.Self() + ")"
	if everyone != "" {
		sddl += "(A;OICI;" + everyone + ";;;WD)"
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		t.Fatal(err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	if err != nil {
		t.Fatal(err)
	}
}
