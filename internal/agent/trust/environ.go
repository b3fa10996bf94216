package trust

import (
	"slices"
	"strings"
)

// What a variable of these names decides is which code runs: the loader's, the
// shell's and the interpreters' own, what programs start by themselves, and who
// the user is said to be. They are set only where permit-env names them outright.
var (
	guardedNames = []string{
		"PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "BASH_XTRACEFD", "CDPATH", "GLOBIGNORE", "PS4",
		"PROMPT_COMMAND", "FPATH", "ZDOTDIR", "HOME", "USER", "LOGNAME", "SHELL", "USERNAME", "PWD", "OLDPWD",
		"TMPDIR", "TMP", "TEMP", "TERMINFO", "TERMINFO_DIRS", "TERMCAP", "TERMPATH",
		"LIBPATH", "SHLIB_PATH", "GCONV_PATH", "LOCPATH", "NLSPATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES",
		"LOCALDOMAIN", "RES_OPTIONS", "RESOLV_HOST_CONF", "TZDIR",
		"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "MAVEN_OPTS", "GRADLE_OPTS",
		"PAGER", "MANPAGER", "EDITOR", "VISUAL", "BROWSER", "LESSOPEN", "LESSCLOSE", "SSH_ASKPASS", "PKG_CONFIG_PATH",
		"MAKEFLAGS", "TAR_OPTIONS", "WGETRC", "CURL_HOME", "INPUTRC", "OPENSSL_CONF", "OPENSSL_MODULES", "KRB5_CONFIG",
		"COMSPEC", "PATHEXT", "PSMODULEPATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "USERPROFILE", "HOMEDRIVE",
		"HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE",
	}
	guardedPrefixes = []string{
		"LD_", "DYLD_", "_RLD", "MALLOC_", "BASH_FUNC_", "PYTHON", "PERL", "RUBY", "GEM_", "BUNDLE_", "NODE_", "NPM_",
		"LUA_", "PHP", "GIT_", "SUDO_", "SYSTEMD_", "NOTIFY_", "COR_", "CORECLR_", "DOTNET_", "XDG_", "DBUS_", "WARREN",
	}
)

// isGuarded is asked in upper case: Windows knows "Path" and "PATH" as one name.
func isGuarded(name string) bool {
	name = strings.ToUpper(name)
	return slices.Contains(guardedNames, name) ||
		slices.ContainsFunc(guardedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
