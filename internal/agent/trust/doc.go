// Package trust decides on each host who may run what. The broker, and whoever
// reads or writes its queues, has no say in it.
//
// Judge is the one door through which every request comes before anything else
// looks at it: a pure function of the message, the host, the policy and the
// time. A Policy is what authorized_operators and revoked_operators say; it does
// not change. Files reads them, and reads them again when they may have changed; a
// file that it refuses adds no right. It belongs to one goroutine, starts nothing
// and sends to nobody.
//
// What is not permitted is refused. A Verdict tells a refusal that its sender
// may know the reason of (its signature is good) from one that a stranger gets.
package trust
