package datadir

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// networkMagics are the f_type values of file systems with other clients that this
// kernel does not see: statfs(2), linux/magic.h. WSL uses 9p for Windows drives.
var networkMagics = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "nfs",
	unix.SMB_SUPER_MAGIC:  "smb",
	unix.CIFS_SUPER_MAGIC: "cifs",
	unix.SMB2_SUPER_MAGIC: "smb2",
	unix.CEPH_SUPER_MAGIC: "ceph",
	unix.AFS_SUPER_MAGIC:  "afs",
	unix.AFS_FS_MAGIC:     "afs",
	unix.CODA_SUPER_MAGIC: "coda",
	unix.NCP_SUPER_MAGIC:  "ncp",
	unix.V9FS_MAGIC:       "9p",
	0x0bd00bd0:            "lustre",
	0x19830326:            "beegfs",
	0x47504653:            "gpfs",
}

// networkFUSE are FUSE file systems that use a network. Others, such as gocryptfs or
// ntfs-3g, are as reliable as the disk below them.
var networkFUSE = []string{
	"sshfs", "s3fs", "rclone", "glusterfs", "ceph-fuse", "davfs", "curlftpfs", "goofys",
	"gcsfuse", "blobfuse", "blobfuse2", "mount-s3", "juicefs", "moosefs", "mfsmount", "seaweedfs", "smbnetfs", "gvfsd-fuse",
}

// networkFS returns the type of the network file system that dir is on, or "".
func networkFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return "" // unknown; a later operation reports the problem
	}
	magic := uint32(st.Type) // f_type is wider than the magics on some architectures
	if magic != unix.FUSE_SUPER_MAGIC {
		return networkMagics[magic]
	}
	var stat unix.Stat_t
	if unix.Stat(dir, &stat) != nil {
		return ""
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	return fuseKind(f, unix.Major(stat.Dev), unix.Minor(stat.Dev))
}

// fuseKind finds a device in mountinfo, proc_pid_mountinfo(5). The third field of a
// line is "major:minor", and the type follows " - ".
func fuseKind(mountinfo io.Reader, major, minor uint32) string {
	dev := fmt.Sprintf("%d:%d", major, minor)
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		mount, super, _ := strings.Cut(lines.Text(), " - ")
		fields, types := strings.Fields(mount), strings.Fields(super)
		if len(fields) < 3 || fields[2] != dev || len(types) == 0 {
			continue
		}
		name, ok := strings.CutPrefix(types[0], "fuse.")
		if ok && slices.Contains(networkFUSE, name) {
			return types[0]
		}
		return ""
	}
	return ""
}
