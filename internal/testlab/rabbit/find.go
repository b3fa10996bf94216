package rabbit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"warren/internal/hint"
)

// ErrNotInstalled says that this machine has no RabbitMQ server that a private
// node could be started from.
var ErrNotInstalled = errors.New("RabbitMQ is not installed")

// programs are the files that a node is made of.
type programs struct {
	server  string // rabbitmq-server, the script itself
	ctl     string // rabbitmqctl, from the same directory
	epmd    string
	erlCall string // empty where Erlang came without it
}

// binDirs are where packages put RabbitMQ's own scripts. What Debian and Red
// Hat put into the PATH are wrappers that change the user and drop the
// environment; they cannot start a private node.
var binDirs = []string{
	"/usr/lib/rabbitmq/bin",
	"/opt/homebrew/opt/rabbitmq/sbin",
	"/usr/local/opt/rabbitmq/sbin",
	"/usr/local/lib/rabbitmq/bin",
	"/opt/rabbitmq/sbin",
}

// The environment of a program that starts nodes chooses another RabbitMQ for all of them
// (see .ci/broker), and settings that its nodes have besides their own.
const (
	envPrograms = "WARREN_TEST_RABBITMQ"        // the directory with rabbitmq-server, rabbitmqctl, epmd and erl_call
	envConf     = "WARREN_TEST_RABBITMQ_CONF"   // lines of rabbitmq.conf
	envFlag     = "WARREN_TEST_RABBITMQ_ENABLE" // a feature flag that is off by default, such as khepri_db
)

func findPrograms() (programs, error) {
	if dir := os.Getenv(envPrograms); dir != "" {
		in := func(name string) string { return filepath.Join(dir, name) }
		p := programs{server: in("rabbitmq-server"), ctl: in("rabbitmqctl"), epmd: in("epmd"), erlCall: in("erl_call")}
		if !isFile(p.server) {
			return p, fmt.Errorf("%w: %s names %s, which has no rabbitmq-server", ErrNotInstalled, envPrograms, dir)
		}
		return p, nil
	}
	return findInstalled()
}

func findInstalled() (programs, error) {
	var p programs
	if runtime.GOOS == "windows" {
		return p, hint.Errorf("private nodes are not supported on Windows; name a running broker instead",
			"%w", ErrNotInstalled)
	}
	dir := serverDir()
	if dir == "" {
		return p, hint.Errorf("apt install rabbitmq-server, brew install rabbitmq, or put the sbin directory of a RabbitMQ release into PATH",
			"%w", ErrNotInstalled)
	}
	p.server = filepath.Join(dir, "rabbitmq-server")
	p.ctl = filepath.Join(dir, "rabbitmqctl")
	if p.epmd = erlangTool("epmd"); p.epmd == "" {
		return p, hint.Errorf("put Erlang's bin directory into PATH",
			"%w completely: there is no epmd, a part of Erlang, in PATH", ErrNotInstalled)
	}
	p.erlCall = erlangTool("erl_call")
	return p, nil
}

func serverDir() string {
	dirs := binDirs
	if path, err := exec.LookPath("rabbitmq-server"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(target) == "rabbitmq-server" {
			dirs = append(dirs[:len(dirs):len(dirs)], filepath.Dir(target))
		}
	}
	for _, dir := range dirs {
		// The script sources this one from its own directory; a wrapper has none beside it.
		if isFile(filepath.Join(dir, "rabbitmq-server")) && isFile(filepath.Join(dir, "rabbitmq-env")) {
			return dir
		}
	}
	return ""
}

// erlangTool finds a program in PATH or beside the erl that PATH leads to.
func erlangTool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if erl, err := exec.LookPath("erl"); err == nil {
		if target, err := filepath.EvalSymlinks(erl); err == nil {
			if path := filepath.Join(filepath.Dir(target), name); isFile(path) {
				return path
			}
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
