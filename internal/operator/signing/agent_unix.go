//go:build unix

package signing

import (
	"context"
	"net"
	"os"
)

func findAgent() *agent { return &agent{os.Getenv("SSH_AUTH_SOCK"), signTimeout} }

func dialAgent(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, "unix", address)
}
