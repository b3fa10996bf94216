package setup

import (
	"testing"

	"warren/internal/operator/signing"
)

// The hint names the key that has signed the task, which another process may have sent.
func TestHintNamesKeyOfTask(t *testing.T) {
	a := signing.Key{Fingerprint: "SHA256:a", Comment: "alice", Source: "ssh-agent"}
	b := signing.Key{Fingerprint: "SHA256:b", Source: "/home/alice/.ssh/id_rsa"}
	for _, c := range []struct {
		task string
		keys signing.Report
		want string
	}{
		{"SHA256:a", signing.Report{Key: &a}, "the task was signed with SHA256:a alice (ssh-agent)"},
		{"SHA256:b", signing.Report{Key: &a, Others: []signing.Key{b}}, "the task was signed with SHA256:b (/home/alice/.ssh/id_rsa); other keys: SHA256:a alice (ssh-agent); --identity FILE selects a key"},
		{"SHA256:c", signing.Report{Key: &a}, "the task was signed with SHA256:c; other keys: SHA256:a alice (ssh-agent); --identity FILE selects a key"},
		{"SHA256:c", signing.Report{Problem: "no key"}, "the task was signed with SHA256:c"},
		{"", signing.Report{Key: &a}, "the task is unsigned; other keys: SHA256:a alice (ssh-agent); --identity FILE selects a key"},
	} {
		if got := TaskKeyHint(c.task, c.keys); got != c.want {
			t.Errorf("%q: %s\nwant %s", c.task, got, c.want)
		}
	}
}
