// Package hostview prints what agents answer about their hosts: the list of hosts, and
// preflight checks, as tables and as JSON documents.
package hostview
