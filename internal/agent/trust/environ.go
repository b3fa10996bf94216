package trust

import (
	"slices"
	"strings"
)

// Variables with these names can change which code runs: they control the loader, the
// shell, interpreters, helper programs, and the reported identity of the user. An
// operator may set them only if permit-env lists them.
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

// isGuarded compares in upper case, because on Windows "Path" and "PATH" are the same
// name.
func isGuarded(name string) bool {
	name = strings.ToUpper(name)
	return slices.Contains(guardedNames, name) ||
		slices.ContainsFunc(guardedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
