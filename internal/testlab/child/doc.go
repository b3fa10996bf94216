// Package child starts programs that belong to this process: a broker, an
// epmd, agents of a laboratory. Each runs in a session of its own, so that
// Ctrl-C in the terminal does not reach it before its clients have said
// goodbye. On Linux the kernel also ends it when our process dies; elsewhere it
// would stay behind.
//
// One goroutine lives as long as each child does; Stop and Kill return after it.
package child
