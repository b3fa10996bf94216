//go:build unix

package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// A User is an account of this machine that commands may run as.
type User struct {
	Name, Home, Shell string

	credential syscall.Credential
	isOther    bool // not the account of this process
}

// switches reports whether a command needs to change its user.
func (u *User) switches() bool { return u != nil && u.isOther }

// MaySwitch returns an error if this process cannot run a command as the user. As root it looks up no
// account: that may take long.
func MaySwitch(name string) error {
	if name == "" || os.Geteuid() == 0 {
		return nil
	}
	if _, err := LookupUser(name); errors.Is(err, ErrCannotSwitch) {
		return err
	}
	return nil
}

// LookupUser returns an account. An empty name is this process's own account. The
// error means that there is no such account, or that this process cannot switch to it.
func LookupUser(name string) (*User, error) {
	if name == "" {
		return currentUser(), nil
	}
	account, err := user.Lookup(name)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("no such user %q", name)
	case err != nil:
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	u := &User{Name: account.Username, Home: account.HomeDir, Shell: shellOf(account.Username)}
	if u.credential, err = credentialOf(account); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	u.isOther = int(u.credential.Uid) != os.Geteuid()
	if u.isOther && os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: it does not run as root, so it cannot run commands as user %q", ErrCannotSwitch, name)
	}
	return u, nil
}

// currentUser returns this process's account. A user id without a name has only the
// home from the environment and no shell.
func currentUser() *User {
	home, _ := os.UserHomeDir()
	u := &User{Home: home}
	if account, err := user.Current(); err == nil {
		u.Name = account.Username
	}
	return u
}

// credentialOf returns the user id, the group id, and the supplementary group ids of
// an account.
func credentialOf(account *user.User) (c syscall.Credential, err error) {
	ids, err := account.GroupIds()
	if err != nil {
		return c, fmt.Errorf("cannot read its groups: %w", err)
	}
	numbers := make([]uint32, 0, 2+len(ids))
	for _, id := range append([]string{account.Uid, account.Gid}, ids...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return c, err
		}
		numbers = append(numbers, uint32(n))
	}
	return syscall.Credential{Uid: numbers[0], Gid: numbers[1], Groups: numbers[2:]}, nil
}

// shellOf returns the account's login shell, or "". Programs expect it in SHELL.
func shellOf(name string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Split(lines.Text(), ":"); len(fields) == 7 && fields[0] == name {
			return fields[6]
		}
	}
	return ""
}

// Chown makes the user the owner of a file.
func (u *User) Chown(path string) error {
	if !u.switches() {
		return nil
	}
	return os.Chown(path, int(u.credential.Uid), int(u.credential.Gid))
}

// chownPipe makes the user the owner of a pipe's end. If that fails, the user can
// still use the pipe, but not open it by name.
func (u *User) chownPipe(f *os.File) {
	if u.switches() {
		_ = f.Chown(int(u.credential.Uid), int(u.credential.Gid))
	}
}
