// Package acl reads and makes access control lists of Windows
// (https://learn.microsoft.com/windows/win32/secauthz/access-control-lists). It is empty
// on other systems.
//
// The system's own accounts (SYSTEM, the Administrators, TrustedInstaller) and the user of
// this process are trusted. All others are foreign.
package acl
