package process

import (
	"fmt"
	"os"
	"os/user"
)

// A User is an account of this machine that commands may run as. On Windows that is
// only this process's own account.
type User struct{ Name, Home, Shell string }

func (*User) switches() bool { return false }

// LookupUser returns this process's own account. Windows needs a password for any
// other.
func LookupUser(name string) (*User, error) {
	home, _ := os.UserHomeDir()
	u := &User{Home: home}
	if account, err := user.Current(); err == nil {
		u.Name = account.Username
	}
	if name != "" && name != u.Name {
		return nil, fmt.Errorf("%w: on Windows commands run as the agent's own user, not as %q", ErrCannotSwitch, name)
	}
	return u, nil
}

// MaySwitch returns an error if this process cannot run a command as the user.
func MaySwitch(name string) error {
	_, err := LookupUser(name)
	return err
}

// Chown does nothing: there is no other user.
func (*User) Chown(string) error { return nil }

// chownPipe does nothing.
func (*User) chownPipe(*os.File) {}
