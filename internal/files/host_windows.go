package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const (
	canSyncDirectory  = false
	canSyncFileSystem = false

	unblocked = 0
)

// An owner cannot be set on Windows.
type owner struct{}

var anyOwner owner

func lookupOwner(text string) (owner, error) {
	if text != "" {
		return owner{}, errors.New("--owner is not supported on Windows")
	}
	return owner{}, nil
}

func (owner) isOf(fs.FileInfo) bool           { return true }
func (owner) set(*os.File, fs.FileInfo) error { return nil }
func (owner) setLink(*os.Root, string) error  { return nil }
func ownerOf(fs.FileInfo) owner               { return owner{} }
func sameMode(fs.FileInfo, int64) bool        { return true }
func setMode(*os.File, int64) error           { return nil } // a mode without w would make it read-only
func syncFileSystem(*os.Root, string) error   { return nil }
func deviceOf(fs.FileInfo) uint64             { return 0 }
func hasOtherNames(fs.FileInfo) bool          { return false } // modes and owners are not set

// copyLabels gives f, whose name is temp, the access control list of the file at name. A list that
// has only what the directory passes on is the one that f has already.
func copyLabels(root *os.Root, name, temp string, f *os.File) error {
	old, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was removed meanwhile
	}
	if err != nil {
		return err // without the list, more users could read the file
	}
	defer old.Close()
	list, err := accessList(old)
	if err != nil {
		return err
	}
	inherited, err := accessList(f)
	if err != nil || list.String() == inherited.String() {
		return err
	}
	file, err := reopen(f, windows.READ_CONTROL|windows.WRITE_DAC)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(file)
	if err := setAccessList(file, list); err != nil {
		return err
	}
	// If the list does not permit this user to rename f, it does not permit to remove f either.
	if err := root.Rename(temp, temp); err != nil {
		return errors.Join(err, setAccessList(file, inherited))
	}
	return nil
}

func accessList(f *os.File) (*windows.SECURITY_DESCRIPTOR, error) {
	return windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
}

// setAccessList sets the list of from. It gets no more entries from the directory than it has, unless
// it follows the directory.
func setAccessList(file windows.Handle, from *windows.SECURITY_DESCRIPTOR) error {
	control, _, err := from.Control()
	if err != nil {
		return err
	}
	list, _, err := from.DACL()
	if err != nil {
		return err
	}
	var what windows.SECURITY_INFORMATION = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	if control&(windows.SE_DACL_PROTECTED|windows.SE_DACL_AUTO_INHERITED) == windows.SE_DACL_AUTO_INHERITED {
		what = windows.DACL_SECURITY_INFORMATION | windows.UNPROTECTED_DACL_SECURITY_INFORMATION
	}
	return windows.SetSecurityInfo(file, windows.SE_FILE_OBJECT, what, nil, nil, list, nil)
}

var reOpenFile = windows.NewLazySystemDLL("kernel32.dll").NewProc("ReOpenFile")

// reopen opens an open file for other access, whatever its name is now.
func reopen(f *os.File, access uint32) (windows.Handle, error) {
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, _, err := reOpenFile.Call(f.Fd(), uintptr(access), share, 0)
	if file := windows.Handle(h); file != windows.InvalidHandle {
		return file, nil
	}
	return windows.InvalidHandle, err
}

// freeSpace returns how many bytes the volume of a directory has for this user.
func freeSpace(root *os.Root, dir string) (int64, bool) {
	name, err := windows.UTF16PtrFromString(filepath.Join(root.Name(), filepath.FromSlash(dir)))
	if err != nil {
		return 0, false
	}
	var free uint64
	if windows.GetDiskFreeSpaceEx(name, &free, nil, nil) != nil {
		return 0, false
	}
	return int64(min(free, 1<<62)), true
}

func openUnfollowed(parent *os.Root, name string) (*os.File, error) { return parent.Open(name) }
