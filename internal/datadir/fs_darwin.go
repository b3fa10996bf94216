package datadir

import "golang.org/x/sys/unix"

// networkFS returns the type of the network file system that dir is on, or "". A file
// system without MNT_LOCAL is a network file system: statfs(2).
func networkFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(st.Fstypename[:])
}
