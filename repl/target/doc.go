// Package target chooses the hosts of a command: the flags that name them, host
// expressions with groups and the hosts of earlier tasks, conditions on the facts of
// agents, and the agents that answer. It warns of what agents say that is odd: clocks
// that are off, disks that cannot be written, names that two agents claim.
package target
