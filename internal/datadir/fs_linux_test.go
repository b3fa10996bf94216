package datadir

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNetworkFS(t *testing.T) {
	for _, dir := range []string{"/", "/proc", t.TempDir()} {
		if kind := networkFS(dir); kind != "" {
			t.Logf("%s is on %s: the machine's, not a fault of the code", dir, kind)
		}
	}
	for _, magic := range []uint32{unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC} {
		if networkMagics[magic] == "" {
			t.Errorf("%x passes", magic)
		}
	}
	for _, magic := range []uint32{unix.EXT4_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC} {
		if kind := networkMagics[magic]; kind != "" {
			t.Errorf("%x is refused as %s", magic, kind)
		}
	}
}

func TestFuseKind(t *testing.T) {
	const mounts = `22 1 0:20 / /proc rw,nosuid - proc proc rw
40 22 0:41 / /mnt/a rw,nosuid shared:5 - fuse.sshfs ann@host:/ rw,user_id=0
41 22 0:42 / /mnt/b rw,nosuid shared:6 master:1 - fuse.gocryptfs /x rw
42 22 0:43 / /mnt/c rw - fuseblk /dev/sdb1 rw
43 22 0:44
`
	for minor, want := range map[uint32]string{41: "fuse.sshfs", 42: "", 43: "", 44: "", 99: ""} {
		if got := fuseKind(strings.NewReader(mounts), 0, minor); got != want {
			t.Errorf("0:%d: got %q, want %q", minor, got, want)
		}
	}
}
