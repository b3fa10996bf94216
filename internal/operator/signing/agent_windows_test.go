package signing

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/windows"

	"warren/internal/acl/acltest"
	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveAgent runs an ssh-agent on a named pipe, as OpenSSH's service does, for some
// connections.
func serveAgent(t *testing.T, keys sshagent.Agent, connections int) {
	t.Helper()
	address := fmt.Sprintf(`\\.\pipe\warren-test-%d`, os.Getpid())
	t.Setenv("SSH_AUTH_SOCK", address)
	name, err := windows.UTF16PtrFromString(address)
	if err != nil {
		t.Fatal(err)
	}
	create := func() windows.Handle {
		pipe, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX, windows.PIPE_TYPE_BYTE, windows.PIPE_UNLIMITED_INSTANCES, 4096, 4096, 0, nil)
		if err != nil {
			t.Error(err)
		}
		return pipe
	}
	next, ended := create(), make(chan struct{})
	go func() {
		defer close(ended)
		for range connections {
			pipe := next
			if err := windows.ConnectNamedPipe(pipe, nil); err != nil && !errors.Is(err, windows.ERROR_PIPE_CONNECTED) {
				t.Error(err)
			}
			next = create()
			f := os.NewFile(uintptr(pipe), address)
			_ = sshagent.ServeAgent(keys, f) // ends when the client hangs up
			f.Close()
		}
		_ = windows.CloseHandle(next)
	}()
	t.Cleanup(func() { <-ended })
}

// The default is the pipe of OpenSSH's service.
func TestDefaultAgentIsOpenSSHService(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	if a := findAgent(); a.address != `\\.\pipe\openssh-ssh-agent` {
		t.Errorf("%q", a.address)
	}
}

func TestAgentOnNamedPipeSigns(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := sshagent.NewKeyring()
	if err := keys.Add(sshagent.AddedKey{PrivateKey: private, Comment: "alice@laptop"}); err != nil {
		t.Fatal(err)
	}
	serveAgent(t, keys, 2)
	s, err := Choose(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := s.Sign(t.Context(), []byte("a statement")); err != nil || sig == "" {
		t.Errorf("%q, %v", sig, err)
	}
	if got := s.Fingerprint(); got != ssh.FingerprintSHA256(key) {
		t.Errorf("%s", got)
	}
}

// A pipe whose only instance serves another client is busy.
func TestBusyPipeIsTriedAgain(t *testing.T) {
	address := fmt.Sprintf(`\\.\pipe\warren-test-busy-%d`, os.Getpid())
	name, err := windows.UTF16PtrFromString(address)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX, windows.PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(pipe)
	other, err := dialAgent(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dialAgent(ended, address); !errors.Is(err, windows.ERROR_PIPE_BUSY) {
		t.Errorf("while it is busy: %v", err)
	}
	dialed := make(chan error, 1)
	go func() {
		f, err := dialAgent(t.Context(), address)
		if err == nil {
			err = f.Close()
		}
		dialed <- err
	}()
	if err := windows.DisconnectNamedPipe(pipe); err != nil {
		t.Error(err)
	}
	if err := windows.ConnectNamedPipe(pipe, nil); err != nil && !errors.Is(err, windows.ERROR_PIPE_CONNECTED) && !errors.Is(err, windows.ERROR_NO_DATA) {
		t.Error(err)
	}
	if err := <-dialed; err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// ssh refuses such a key too. The error has the icacls command that corrects it.
func TestKeyReadableByOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id_ed25519")
	if _, err := Create(path, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := Choose(t.Context(), Options{Identity: path}); err != nil {
		t.Fatalf("a new key: %v", err)
	}
	acltest.Grant(t, path, "FR")
	_, err := Choose(t.Context(), Options{Identity: path})
	if err == nil || !strings.Contains(err.Error(), "is readable by Everyone") || !strings.Contains(hint.Text(err), `icacls "`+path+`"`) || !strings.Contains(hint.Text(err), " /remove:g *") || !strings.Contains(hint.Text(err), "*S-1-1-0") {
		t.Errorf("%v: %s", err, hint.Text(err))
	}
}
