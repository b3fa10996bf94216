package rabbit

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Config describes a node; the zero value is good.
type Config struct {
	// Dir holds the node's data and logs. Empty means a new temporary
	// directory. A Dir that already holds a node's data is taken up again.
	Dir string
	// KeepDir leaves the directory in place when the node stops. A Dir that
	// the caller named and that was there before is always left.
	KeepDir bool
	// Port is the AMQP port on 127.0.0.1; 0 chooses a free one.
	Port int
	// Backlog is the length of the queue of connections that wait to be
	// accepted; 0 means 4096, as docs/scale.md advises, so that a fleet may connect
	// at once.
	Backlog int
	// NoBusyWait leaves the processors to others while the broker has nothing to do.
	// Erlang's schedulers look for work for a while before they sleep.
	NoBusyWait bool
	// Plugins are enabled, such as "rabbitmq_auth_mechanism_ssl".
	Plugins []string
	// TLS, if not nil, makes the node listen with TLS too, on TLSPort. A client
	// may show a certificate, and then it must be a good one.
	TLS *TLS
	// Join, if not nil, is a running node whose cluster the new one becomes a
	// member of. It has that node's epmd, so it is stopped before it.
	Join *Node
	// Extra are lines added to the node's rabbitmq.conf, for example
	// "vm_memory_high_watermark.absolute = 64MiB".
	Extra []string
	// Log, if not nil, gets what the broker process prints.
	Log io.Writer
}

// TLS are files in PEM format: the authorities of clients' certificates, and the
// node's own certificate with its key.
type TLS struct{ CA, Cert, Key string }

// lines are the TLS listener's in rabbitmq.conf.
func (t *TLS) lines(port int) []string {
	return []string{
		fmt.Sprintf("listeners.ssl.1 = 127.0.0.1:%d", port),
		"ssl_options.cacertfile = " + t.CA,
		"ssl_options.certfile = " + t.Cert,
		"ssl_options.keyfile = " + t.Key,
		"ssl_options.verify = verify_peer",
		"ssl_options.fail_if_no_peer_cert = false",
	}
}

// The files of a node within its directory.
const (
	homeDir     = "home" // bears the Erlang cookie
	dataDir     = "data"
	logDir      = "log"
	confFile    = "rabbitmq.conf"
	pluginsFile = "enabled_plugins"
	consoleFile = "console.log"
)

// host is the part of the node name behind the @. The name resolves to
// 127.0.0.1 on every system; the machine's own name often does not.
const host = "localhost"

// prepare makes the directories and files that the broker reads when it starts.
func prepare(dir, cookie string, ports ports, cfg Config) error {
	for _, sub := range []string{homeDir, dataDir, logDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	backlog := cfg.Backlog
	if backlog == 0 {
		backlog = 4096
	}
	conf := []string{
		fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d", ports.amqp),
		fmt.Sprintf("tcp_listen_options.backlog = %d", backlog),
		"tcp_listen_options.nodelay = true",
		"handshake_timeout = 60000", // as docs/scale.md advises
		"disk_free_limit.absolute = 50MB",
	}
	if cfg.TLS != nil {
		conf = append(conf, cfg.TLS.lines(ports.tls)...)
	}
	if cfg.Join != nil {
		conf = append(conf, "cluster_formation.peer_discovery_backend = classic_config", "cluster_formation.classic_config.nodes.1 = "+cfg.Join.Name)
	}
	conf = append(conf, strings.Split(os.Getenv(envConf), "\n")...)
	conf = append(conf, cfg.Extra...)
	files := []struct {
		name, text string
		mode       os.FileMode
	}{
		// Erlang refuses a cookie that others may read.
		{filepath.Join(homeDir, ".erlang.cookie"), cookie, 0o400},
		{confFile, strings.Join(conf, "\n") + "\n", 0o600},
		{pluginsFile, "[" + strings.Join(cfg.Plugins, ",") + "].\n", 0o600},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		// A file without write permission cannot be opened for writing again.
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// environ is the environment of every program that belongs to the node. What
// the caller's environment says about other RabbitMQ or Erlang installations
// must not leak into it.
func environ(dir, node string, ports ports, noBusyWait bool) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "RABBITMQ_"), strings.HasPrefix(name, "ERL_"),
			name == "HOME", name == "NOTIFY_SOCKET", name == "CONF_ENV_FILE", name == "detached":
		default:
			env = append(env, kv)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	erlang := "-kernel inet_dist_use_interface {127,0,0,1}"
	if noBusyWait {
		erlang += " +sbwt none +sbwtdcpu none +sbwtdio none"
	}
	return append(
		env,
		"HOME="+in(homeDir),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("ERL_EPMD_PORT=%d", ports.epmd),
		"ERL_CRASH_DUMP_SECONDS=0", // no dump: nobody reads it, and it takes seconds
		"RABBITMQ_NODENAME="+node,
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports.dist),
		"RABBITMQ_MNESIA_BASE="+in(dataDir),
		"RABBITMQ_LOG_BASE="+in(logDir),
		"RABBITMQ_CONFIG_FILE="+in(confFile),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+in(pluginsFile),
		"RABBITMQ_CONF_ENV_FILE="+os.DevNull,
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+erlang,
		// The start script then becomes the Erlang runtime instead of waiting
		// for it, so the pid that we know is the broker's.
		"detached=true",
	)
}
