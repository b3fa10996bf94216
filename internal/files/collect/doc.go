// Package collect is the engine of the command collect. It knows no broker.
//
// On the host, Archive writes the files that a Request names, or why they are missing, as one
// stream: a compressed tar archive. The operator reads it with Read, which trusts the host in
// nothing: not in sizes, names, digests or order.
package collect
