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
	other      bool // not this process's own
}

// switches reports whether a command has to become the user.
func (u *User) switches() bool { return u != nil && u.other }

// UserNamed looks an account up; "" is this process's own. The error says that
// there is none, or that this process cannot become it.
func UserNamed(name string) (*User, error) {
	if name == "" {
		return own(), nil
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
	u.other = int(u.credential.Uid) != os.Geteuid()
	if u.other && os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: it does not run as root, so it cannot run anything as user %q", ErrCannotSwitch, name)
	}
	return u, nil
}

// own is this process's account. A user id without a name has neither home nor
// shell but what the environment says.
func own() *User {
	home, _ := os.UserHomeDir()
	u := &User{Home: home}
	if account, err := user.Current(); err == nil {
		u.Name = account.Username
	}
	return u
}

// credentialOf is an account's ids: its user, its group, and all other groups
// that it is a member of.
func credentialOf(account *user.User) (c syscall.Credential, err error) {
	ids, err := account.GroupIds()
	if err != nil {
		return c, fmt.Errorf("its groups are not to be had: %w", err)
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

// shellOf is the account's login shell, "" where it is not to be found: what
// programs expect in SHELL. It executes nothing by itself.
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

// Own gives the file to the user, for whom alone it is then.
func (u *User) Own(path string) error {
	if !u.switches() {
		return nil
	}
	return os.Chown(path, int(u.credential.Uid), int(u.credential.Gid))
}

// ownPipe gives an end of a pipe to the user. Where that fails the user can still
// use it, but not open it by a name.
func (u *User) ownPipe(f *os.File) {
	if u.switches() {
		_ = f.Chown(int(u.credential.Uid), int(u.credential.Gid))
	}
}
