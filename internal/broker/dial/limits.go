package dial

import "strings"

// limits are the limits that an administrator can set: a part of the broker's message
// when one is reached, and how to raise it. The first match counts.
var limits = []struct{ words, hint string }{
	{"queue type 'quorum'", quorumHint},
	{"of type 'rabbit_quorum_queue'", quorumHint},
	{"queue limit in cluster", "cluster_queue_limit in rabbitmq.conf raises the limit"},
	{"queue limit", `rabbitmqctl set_vhost_limits -p VHOST '{"max-queues": N}' raises the limit; an agent needs a queue for each of its names and one for an inbox, an operator one`},
	{"user connection limit", `rabbitmqctl set_user_limits USER '{"max-connections": N}' raises the limit; an agent needs one connection, with an inbox two, an operator two, and each one more during a push`},
	{"node connection limit", "connection_max in rabbitmq.conf raises the limit"},
	{"connection limit", `rabbitmqctl set_vhost_limits -p VHOST '{"max-connections": N}' raises the limit; an agent needs one connection, with an inbox two, an operator two, and each one more during a push`},
	{"channels opened for user", `rabbitmqctl set_user_limits USER '{"max-channels": N}' raises the limit; an agent needs two channels and one for each further name, an operator four`},
	{"limit", "rabbitmqctl list_vhost_limits and list_user_limits show what is set"},
}

const quorumHint = "an inbox needs quorum queues: enable them on the broker, or start the agent without --inbox"

// LimitHint returns how to raise the limit that the broker's message names, or "" if
// the message is about something else.
func LimitHint(reason string) string {
	for _, l := range limits {
		if strings.Contains(reason, l.words) {
			return l.hint
		}
	}
	return ""
}
