package process

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// setsPWD: Windows programs know their directory without it.
const setsPWD = false

// systemNames are the variables of the system that a command starts with.
// Others are not passed on: an administrator may have set the agent's own
// there, the broker's password among them.
var systemNames = []string{
	"SystemRoot", "SystemDrive", "windir", "ComSpec", "Path", "PATHEXT", "PSModulePath", "OS",
	"NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "COMPUTERNAME", "TEMP", "TMP",
	"ProgramData", "ALLUSERSPROFILE", "PUBLIC", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432",
	"CommonProgramFiles", "CommonProgramFiles(x86)", "CommonProgramW6432",
}

// Environment is what a command of user starts with, and nothing more: the
// system's own variables (systemNames), and of the user USERPROFILE, HOMEDRIVE,
// HOMEPATH, APPDATA, LOCALAPPDATA and USERNAME where home and user are given.
// The shell has no variable on Windows.
func Environment(home, user, _ string) []string {
	// The token 0 has the variables of the system alone (CreateEnvironmentBlock).
	system, err := windows.Token(0).Environ(false)
	if err != nil {
		system = os.Environ()
	}
	// Some variables of the system are made at logon and stand only here.
	system = MergeEnv(os.Environ(), system)
	var env []string
	for _, name := range systemNames {
		if value := lookupEnv(system, name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if home != "" {
		drive := filepath.VolumeName(home)
		env = append(
			env,
			"USERPROFILE="+home,
			"HOMEDRIVE="+drive,
			"HOMEPATH="+strings.TrimPrefix(home, drive),
			"APPDATA="+filepath.Join(home, "AppData", "Roaming"),
			"LOCALAPPDATA="+filepath.Join(home, "AppData", "Local"),
		)
	}
	if user != "" {
		env = append(env, "USERNAME="+user)
	}
	return env
}
