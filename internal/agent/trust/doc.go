// Package trust decides on each host who may run what. The broker has no authority: an
// attacker who can read and write its queues cannot run anything.
//
// Authorize checks every request before any other code uses it. It is a pure function
// of the message, the host, the policy and the time. A Policy holds the content of
// authorized_operators and revoked_operators and does not change. Files reads both
// files, and reads them again after a change; a file that it refuses adds no right.
// Files belongs to one goroutine.
//
// A request that no rule permits is refused. Decision separates refusals whose reason
// the sender may see, because its signature is good, from refusals of strangers.
package trust
