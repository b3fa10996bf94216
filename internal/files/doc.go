// Package files is the engine of push; that of collect is in collect. It knows no broker.
//
// A Manifest lists files, directories and symbolic links below one path, with the SHA-256
// of each file. The operator makes it with Scan. The content is the bytes of the files in
// the order of the manifest.
//
// On the host, Open compares the manifest with the files that exist, and Target.Write writes
// the difference. It writes a file under a temporary name in the directory of its target,
// verifies it, sets owner and mode, syncs it to the disk, and only then renames it. All files
// of a push are staged in this way before the first is renamed. An os.Root confines all paths: no
// symbolic link leads out of the target, or out of the directory that the host permits.
package files
