package secretfile

import (
	"io/fs"
	"os"
	"strings"

	"warren/internal/acl"
)

func open(path string) (*os.File, error) { return os.Open(path) }

// Create creates a file for writing that only this user can use. The file must not exist.
func Create(path string) (*os.File, error) { return acl.CreateFile(path) }

// Exposed describes how other users may read or change a secret file, or returns "".
func Exposed(path string, _ fs.FileInfo) string {
	file, err := acl.Open(path)
	if err != nil {
		return "its access control list cannot be read"
	}
	if holder := file.ForeignHolder(acl.Read | acl.Write); holder != nil {
		return holder.Name + " may read or change it"
	}
	return ""
}

// Mine reports whether this process's user, or the system, owns the file: files that an
// administrator creates belong to the Administrators.
func Mine(path string, _ fs.FileInfo) bool {
	file, err := acl.Open(path)
	return err == nil && file.ForeignOwner() == nil
}

// Restrict returns the command after which other users cannot use a file or directory.
func Restrict(path string, dir bool) string { return acl.Restrict(path, dir) }

// Quote returns the path as a word of a command.
func Quote(path string) string {
	if strings.ContainsAny(path, " &()^,;=%'") {
		return `"` + path + `"`
	}
	return path
}
