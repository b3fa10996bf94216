package acl

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/windows"
)

const (
	fileDeleteChild = 0x40 // FILE_DELETE_CHILD

	// Replace has the rights to replace a file by another one, or to take further rights.
	Replace = windows.DELETE | fileDeleteChild | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_ALL
	// Write has the rights to change a file, or to add one to a directory.
	Write = Replace | windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.GENERIC_WRITE
	// Read has the rights to read a file.
	Read = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL
)

// An Account is a user or group.
type Account struct {
	SID  string
	Name string // as "DOMAIN\name", or the SID if it has none
}

// A File has the owner and the access control list of a file or directory.
type File struct{ sd *windows.SECURITY_DESCRIPTOR }

// Open reads the owner and the list of a file. Like the system, it follows links.
func Open(path string) (File, error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return File{}, &os.PathError{Op: "read the access control list of", Path: path, Err: err}
	}
	return File{sd}, nil
}

// ForeignOwner returns the owner if it is foreign, or nil.
func (f File) ForeignOwner() *Account {
	owner, _, err := f.sd.Owner()
	if err != nil || owner == nil {
		return &Account{Name: "nobody"}
	}
	if isTrusted(owner) {
		return nil
	}
	return accountOf(owner)
}

// ForeignHolder returns the first foreign account that has one of these rights, or nil.
// It ignores entries that deny rights, which can only make the list stricter.
func (f File) ForeignHolder(rights windows.ACCESS_MASK) *Account {
	everyone := &Account{SID: "S-1-1-0", Name: "Everyone"}
	dacl, _, err := f.sd.DACL()
	if err != nil || dacl == nil { // without a list everyone has all rights
		return everyone
	}
	for i := range uint32(dacl.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &entry); err != nil {
			return everyone
		}
		sid, ok := sidOf(entry)
		if ok && entry.Header.AceFlags&windows.INHERIT_ONLY_ACE == 0 && entry.Mask&rights != 0 && !isTrusted(sid) {
			return accountOf(sid)
		}
	}
	return nil
}

// isTrusted reports whether an account is not foreign.
func isTrusted(sid *windows.SID) bool { return slices.Contains(trusted(), sid.String()) }

const (
	system           = "S-1-5-18"
	administrators   = "S-1-5-32-544"
	trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	creatorOwner     = "S-1-3-0" // the user who creates a file; grants nothing on a directory itself
	ownerRights      = "S-1-3-4" // the owner, who is checked
)

var trusted = sync.OnceValue(func() []string {
	return []string{system, administrators, trustedInstaller, creatorOwner, ownerRights, Self()}
})

// Self returns the SID of this process's user.
var Self = sync.OnceValue(func() string {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return ""
	}
	return user.User.Sid.String()
})

func accountOf(sid *windows.SID) *Account {
	a := &Account{SID: sid.String(), Name: sid.String()}
	if name, domain, _, err := sid.LookupAccount(""); err == nil {
		if a.Name = name; domain != "" {
			a.Name = domain + `\` + name
		}
	}
	return a
}

// MakeDir creates a directory that only SYSTEM, the Administrators and this process's
// user can enter. Its list is protected: it inherits nothing. Its files inherit it.
func MakeDir(path string) error {
	attributes, err := private("OICI")
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		err = windows.CreateDirectory(name, attributes)
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// CreateFile creates a file for writing that only SYSTEM, the Administrators and this
// process's user can use, whatever its directory passes on. The file must not exist.
func CreateFile(path string) (*os.File, error) {
	attributes, err := private("")
	if err != nil {
		return nil, err
	}
	var file windows.Handle
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		file, err = windows.CreateFile(name, windows.GENERIC_WRITE, windows.FILE_SHARE_READ, attributes, windows.CREATE_NEW, windows.FILE_ATTRIBUTE_NORMAL, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	return os.NewFile(uintptr(file), path), nil
}

// private returns the attributes of a file or directory that other users cannot use. Flags
// are those of each entry, in the syntax of SDDL.
func private(flags string) (*windows.SecurityAttributes, error) {
	sddl := "D:P"
	for _, account := range []string{system, administrators, Self()} {
		if account != "" && !(account == system && sddl != "D:P") {
			sddl += fmt.Sprintf("(A;%s;FA;;;%s)", flags, account)
		}
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return nil, err
	}
	return &windows.SecurityAttributes{Length: uint32(sizeOfAttributes), SecurityDescriptor: sd}, nil
}

// others returns the foreign accounts to which the file's own entries grant rights: these
// entries remain when it inherits no more.
func (f File) others() (sids []string) {
	dacl, _, err := f.sd.DACL()
	if err != nil || dacl == nil {
		return nil
	}
	for i := range uint32(dacl.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(dacl, i, &entry) != nil || entry.Header.AceFlags&windows.INHERITED_ACE != 0 {
			continue
		}
		if sid, ok := sidOf(entry); ok && !isTrusted(sid) && !slices.Contains(sids, sid.String()) {
			sids = append(sids, sid.String())
		}
	}
	return sids
}

// Restrict returns the icacls command after which only SYSTEM and this process's user can
// use a file or directory. The files of a directory inherit these rights.
func Restrict(path string, dir bool) string {
	rights := "F"
	if dir {
		rights = "(OI)(CI)F"
	}
	command := fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r *%s:%s`, path, system, rights)
	if self := Self(); self != "" && self != system {
		command += fmt.Sprintf(" *%s:%s", self, rights)
	}
	file, err := Open(path)
	if err != nil {
		return command
	}
	if others := file.others(); len(others) > 0 {
		command += " /remove:g *" + strings.Join(others, " *")
	}
	return command
}
