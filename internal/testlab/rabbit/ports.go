package rabbit

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// ports are the TCP ports of a node, all on 127.0.0.1.
type ports struct{ amqp, tls, dist, epmd int }

// Ports are taken from below the ranges that Linux (32768) and others (49152)
// give to outgoing connections. A client that dials a stopped broker's port
// again and again would otherwise some day be given that very port as its own
// and be connected to itself (RFC 9293, 3.5: simultaneous open).
const firstPort, lastPort = 15000, 32000

// choosePorts chooses those that are not chosen yet.
func choosePorts(p ports) (ports, error) {
	for _, port := range []*int{&p.amqp, &p.tls, &p.dist, &p.epmd} {
		if *port != 0 {
			continue
		}
		for tries := 0; ; tries++ {
			if tries == 100 {
				return p, errors.New("no free port on 127.0.0.1")
			}
			n := firstPort + rand.IntN(lastPort-firstPort)
			if n != p.amqp && n != p.tls && n != p.dist && portFree(n) {
				*port = n
				break
			}
		}
	}
	return p, nil
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
