// Package hostexpr turns host expressions such as "web[01-20,30]!web07 @db" into
// host names, and host names back into a short expression. The
// language is ClusterShell's nodeset
// (https://clustershell.readthedocs.io/en/latest/tools/nodeset.html); a table in
// testdata holds it against the original, and says where it differs on purpose.
//
// The parser yields terms, each a pattern or a group with its operator; a
// pattern expands into names; a Set collects them. Groups come from the caller.
// The package keeps nothing, starts nothing and does no I/O.
package hostexpr
