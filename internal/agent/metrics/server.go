package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"warren/internal/agent/status"
	"warren/internal/exposition"
	"warren/internal/hint"
)

// A Server is the actor that answers HTTP requests for /metrics.
type Server struct {
	listener net.Listener
	agent    status.Agent
	log      *slog.Logger
}

// maxConnections is how many clients are served at the same time; more wait.
const maxConnections = 8

// ErrListen means that the port cannot be opened, for example because another program uses it.
var ErrListen = errors.New("cannot open the port")

// Listen opens the port, so that a port in use is an error at the start. An address without a
// host is on the loopback interface.
func Listen(addr string, agent status.Agent, log *slog.Logger) (*Server, error) {
	addr, err := address(addr)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, hint.Errorf("choose another port with --metrics", "metrics: %w: %w", ErrListen, err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		log.Warn("metrics are readable by everybody who reaches this address", "address", l.Addr())
	}
	return &Server{netutil.LimitListener(l, maxConnections), agent, log}, nil
}

// address completes an address: "9469" and ":9469" are on the loopback interface.
func address(addr string) (string, error) {
	if _, err := strconv.Atoi(addr); err == nil {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if n, numErr := strconv.Atoi(port); err == nil && (numErr != nil || n < 0 || n > 65535) {
		err = fmt.Errorf("%q is not a port", port)
	}
	if err != nil {
		return "", hint.Errorf("--metrics 9469, or --metrics 192.0.2.5:9469 for an address that other machines reach", "--metrics %s: %w", addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Addr returns the address of the server.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close closes the port of a server that does not run.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.serve)
	server := &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	s.log.Info("serving metrics", "address", s.Addr())
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("metrics are no longer served", "error", err) // the agent works without them
		<-ctx.Done()
	}
	return nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", exposition.ContentType)
	_, _ = w.Write(page(r.Context(), s.agent).Bytes())
}
