// Package acltest sets access control lists in tests. It is empty except on Windows.
package acltest
