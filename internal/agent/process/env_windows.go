package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/windows"
)

// setsPWD: Windows programs do not need PWD.
const setsPWD = false

// logonNames are the system's variables that Windows creates at a logon and does not
// keep in the registry.
var logonNames = []string{
	"SystemRoot", "SystemDrive", "ProgramData", "ALLUSERSPROFILE", "PUBLIC", "COMPUTERNAME",
	"ProgramFiles", "ProgramFiles(x86)", "ProgramW6432",
	"CommonProgramFiles", "CommonProgramFiles(x86)", "CommonProgramW6432",
}

// Environment returns the complete environment of a command of user: the system's
// variables, and USERPROFILE, HOMEDRIVE, HOMEPATH, APPDATA, LOCALAPPDATA, USERNAME and
// USERDOMAIN if home and user are given. It leaves out variables of the agent's own,
// which may hold the broker's password. Windows has no variable for the shell.
func Environment(home, user, _ string) []string {
	// Token 0 has only the system's variables (CreateEnvironmentBlock).
	system, err := windows.Token(0).Environ(false)
	if err != nil {
		system = nil
	}
	own := os.Environ()
	for _, name := range logonNames {
		value := lookupEnv(system, name)
		if value == "" {
			value = lookupEnv(own, name)
		}
		if value == "" {
			value = knownFolder(name)
		}
		if value != "" {
			system = MergeEnv(system, []string{name + "=" + value})
		}
	}
	env := slices.DeleteFunc(system, func(entry string) bool {
		name := envName("windows", entry)
		return strings.HasPrefix(name, "WARREN") || name == "USERNAME" || strings.HasPrefix(entry, "=")
	})
	if home != "" {
		drive := filepath.VolumeName(home)
		env = MergeEnv(env, []string{
			"USERPROFILE=" + home,
			"HOMEDRIVE=" + drive,
			"HOMEPATH=" + strings.TrimPrefix(home, drive),
			"APPDATA=" + filepath.Join(home, "AppData", "Roaming"),
			"LOCALAPPDATA=" + filepath.Join(home, "AppData", "Local"),
		})
	}
	domain, name, found := strings.Cut(user, `\`)
	if !found {
		domain, name = "", user
	}
	if name != "" {
		env = MergeEnv(env, []string{"USERNAME=" + name})
	}
	if domain != "" {
		env = MergeEnv(env, []string{"USERDOMAIN=" + domain})
	}
	return env
}

// knownFolder returns the directory that a variable names by default. A service may
// lack the variable.
func knownFolder(variable string) string {
	id := map[string]*windows.KNOWNFOLDERID{
		"ProgramData": windows.FOLDERID_ProgramData, "ALLUSERSPROFILE": windows.FOLDERID_ProgramData,
		"PUBLIC": windows.FOLDERID_Public, "SystemRoot": windows.FOLDERID_Windows,
		"ProgramFiles": windows.FOLDERID_ProgramFiles, "CommonProgramFiles": windows.FOLDERID_ProgramFilesCommon,
	}[variable]
	if id == nil {
		return ""
	}
	dir, err := windows.KnownFolderPath(id, 0)
	if err != nil {
		return ""
	}
	return dir
}
