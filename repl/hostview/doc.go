// Package hostview prints lists of hosts: which agents answer, what a preflight check found,
// and to which hosts a task would go; as tables and as JSON documents.
package hostview
