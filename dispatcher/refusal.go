package dispatcher

import "strings"

// refusals are what the broker says where it refuses a publication, and what to do
// then. The first that fits counts.
var refusals = []struct{ words, remedy string }{
	{"message size", "send a smaller --stdin or --script, or raise max_message_size in rabbitmq.conf"},
	{"ACCESS_REFUSED", "warren broker-setup prints the permissions that an operator's login needs"},
}

// refusalText is why the broker has refused a publication, in its own words, with what
// to do about it.
func refusalReason(words string) string {
	for _, r := range refusals {
		if strings.Contains(words, r.words) {
			return words + " (" + r.remedy + ")"
		}
	}
	return words
}
