package dial

import (
	"strings"
	"testing"
)

// A broker without quorum queues refuses an inbox, each version in its own words.
func TestHintSaysWhatAnInboxNeeds(t *testing.T) {
	for _, reason := range []string{
		`INTERNAL_ERROR - Cannot declare a queue 'queue 'q' in vhost '/'' of type 'rabbit_quorum_queue' on node 'warren@localhost': the corresponding feature flag is disabled`, // 3.10.8
		`PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': "unsupported queue type 'quorum'"`,                                                        // 4.3.6
	} {
		if h := LimitHint(reason); !strings.Contains(h, "without --inbox") {
			t.Errorf("%s: hint %q", reason, h)
		}
	}
}
