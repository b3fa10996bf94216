package process

import (
	"fmt"
	"os"
	"os/user"
)

// A User is an account of this machine that commands may run as: here the one
// that this process has.
type User struct{ Name, Home, Shell string }

func (*User) switches() bool { return false }

// UserNamed is this process's own account for ""; no other can be had without
// its password.
func UserNamed(name string) (*User, error) {
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

// Own has nothing to do: there is no other user.
func (*User) Own(string) error { return nil }

// ownPipe has nothing to do either.
func (*User) ownPipe(*os.File) {}
