//go:build unix

package process

// setsPWD: shells and callers of getcwd use PWD if it names the working directory, and
// keep the symbolic links in it.
const setsPWD = true

// Environment returns the complete environment of a command of user: PATH, HOME, USER,
// LOGNAME, SHELL and LANG. It does not depend on the environment in which the agent
// was started. An empty home is "/", an empty shell is /bin/sh, and an empty user is
// omitted.
//
// LANG is C.UTF-8: without it programs treat text as ASCII and damage or refuse names.
// A national locale would translate messages and sort differently on each host, and
// may not be installed. A system without C.UTF-8 falls back to C.
func Environment(home, user, shell string) []string {
	if home == "" {
		home = "/"
	}
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home,
		"SHELL=" + shellOr("", shell),
		"LANG=C.UTF-8",
	}
	if user != "" {
		env = append(env, "USER="+user, "LOGNAME="+user)
	}
	return env
}
