package acl

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

const sizeOfAttributes = unsafe.Sizeof(windows.SecurityAttributes{})

// The kinds of entries that grant rights and whose SID follows the mask
// ([MS-DTYP] 2.4.4).
const (
	accessAllowed         = 0
	accessAllowedCallback = 9
)

// sidOf returns the account of an entry that grants rights.
func sidOf(entry *windows.ACCESS_ALLOWED_ACE) (*windows.SID, bool) {
	if kind := entry.Header.AceType; kind != accessAllowed && kind != accessAllowedCallback {
		return nil, false
	}
	return (*windows.SID)(unsafe.Pointer(&entry.SidStart)), true
}
