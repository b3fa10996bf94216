package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk without room may have some later: systemd starts the agent again.
func TestStartOnAFullDiskMaySucceedLater(t *testing.T) {
	dir := filepath.Join(privateDir(t), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "nr_inodes=1,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "notify"))
	status, _, errs := settingsOf(t, "", "--data-dir", dir, "--broker", "amqp://127.0.0.1:1/")
	if status != exitFailed || !strings.Contains(errs, "no space left on device") || !strings.Contains(errs, "df -i") {
		t.Errorf("status %d, %s", status, errs)
	}
}
