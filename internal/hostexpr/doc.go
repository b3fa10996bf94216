// Package hostexpr turns host expressions such as "web[01-20,30] db1" into the
// names that they stand for, and names back into a short expression. The
// language is ClusterShell's nodeset
// (https://clustershell.readthedocs.io/en/latest/tools/nodeset.html), of which
// it knows names, addresses, zero-padded ranges, and union by blanks or commas;
// what it does not know is refused by name and never taken for a host.
//
// The parser yields patterns, a pattern expands into names, a Set collects them:
// operators and groups would be further ways to put sets together. The package
// keeps nothing, starts nothing and does no I/O.
package hostexpr
