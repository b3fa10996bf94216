package dispatcher

import "strings"

// refusals maps the broker's words to what to do. The first match counts.
var refusals = []struct{ words, remedy string }{
	{"message size", "send a smaller --stdin or --script, or raise max_message_size in rabbitmq.conf"},
	{"ACCESS_REFUSED", "warren broker-setup prints the permissions that an operator's login needs"},
}

// refusalReason is why the broker has refused a publication: the broker's own words, and
// what to do.
func refusalReason(words string) string {
	for _, r := range refusals {
		if strings.Contains(words, r.words) {
			return words + " (" + r.remedy + ")"
		}
	}
	return words
}
