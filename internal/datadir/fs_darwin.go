package datadir

import "golang.org/x/sys/unix"

// networkFS names the network file system that dir is on, or returns "". What
// is not MNT_LOCAL is a network's: statfs(2).
func networkFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(st.Fstypename[:])
}
