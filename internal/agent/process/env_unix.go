//go:build unix

package process

// setsPWD: shells and getcwd's callers believe PWD where it names the working
// directory, and keep the symbolic links in it.
const setsPWD = true

// Environment is what a command of user starts with, and nothing more, so that
// it does the same whoever started the agent: PATH, HOME, USER, LOGNAME, SHELL
// and LANG. Empty home is "/", empty shell /bin/sh; an empty user is left out.
//
// LANG is C.UTF-8: without it programs take text for ASCII and spoil or refuse
// names; a national one would translate messages and sort differently on each
// host, and may not be installed. A system that lacks C.UTF-8 falls back to C.
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
