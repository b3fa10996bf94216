package wire

import (
	"fmt"
	"strings"
)

// MaxFleet bounds the name of a fleet.
const MaxFleet = 64

// namespace is the SSHSIG namespace of statements that belong to no fleet. A
// fleet's own namespace follows it after a dot.
const namespace = "warren"

// Namespace is the SSHSIG namespace in which the statements of a fleet are
// signed. The empty name is that of no fleet.
func Namespace(fleet string) string {
	if fleet == "" {
		return namespace
	}
	return namespace + "." + fleet
}

// FleetOf returns the fleet of a namespace. It reports false for a namespace that
// no statement of Warren is signed in.
func FleetOf(ns string) (fleet string, ok bool) {
	if ns == namespace {
		return "", true
	}
	fleet, ok = strings.CutPrefix(ns, namespace+".")
	return fleet, ok && CheckFleet(fleet) == nil
}

// CheckFleet says why a name cannot be that of a fleet.
func CheckFleet(name string) error {
	ok := len(name) >= 1 && len(name) <= MaxFleet
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || isDigit(c) || c == '-')
	}
	if !ok {
		return fmt.Errorf("%q is not the name of a fleet: it has 1 to %d characters of a-z, 0-9 and -", name, MaxFleet)
	}
	return nil
}
