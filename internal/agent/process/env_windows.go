package process

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// setsPWD: Windows programs do not need PWD.
const setsPWD = false

// systemNames are the system's variables that a command receives. An administrator may
// have put secrets of the agent into other variables, such as the broker's password.
var systemNames = []string{
	"SystemRoot", "SystemDrive", "windir", "ComSpec", "Path", "PATHEXT", "PSModulePath", "OS",
	"NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "COMPUTERNAME", "TEMP", "TMP",
	"ProgramData", "ALLUSERSPROFILE", "PUBLIC", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432",
	"CommonProgramFiles", "CommonProgramFiles(x86)", "CommonProgramW6432",
}

// Environment returns the complete environment of a command of user: the system's
// variables in systemNames, and USERPROFILE, HOMEDRIVE, HOMEPATH, APPDATA,
// LOCALAPPDATA and USERNAME if home and user are given. Windows has no variable for
// the shell.
func Environment(home, user, _ string) []string {
	// Token 0 has only the system's variables (CreateEnvironmentBlock).
	system, err := windows.Token(0).Environ(false)
	if err != nil {
		system = os.Environ()
	}
	// Windows creates some system variables at logon. Only os.Environ has them.
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
