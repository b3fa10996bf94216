package brokersetup

import (
	"strings"

	"warren/internal/wire"
)

// RemoveScript is the text for a POSIX shell on a node of the broker that removes the
// logins, and the queues of the agents. A second run changes nothing.
func (c Config) RemoveScript() (string, error) {
	logins, err := c.Logins()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(removeHead + "vhost=" + quote(c.Vhost) + "\n" + ctl + removeFunctions)
	for _, l := range logins {
		b.WriteString("remove_login " + quote(l.Name) + " " + quote(erlangEscape(l.Name)) + "\n")
	}
	for _, a := range c.Agents {
		names, err := a.names()
		if err != nil {
			return "", err
		}
		for _, name := range names {
			for generation := range wire.Generations {
				b.WriteString("remove_queue " + quote(wire.HostQueueGeneration(name, generation)) + "\n")
			}
			b.WriteString("remove_queue " + quote(wire.InboxQueue(name)) + "\n")
		}
	}
	b.WriteString("exit $found\n")
	return b.String(), nil
}

const removeHead = `#!/bin/sh
# Removes logins and queues of Warren, printed by warren broker-setup --remove.
# Run it on a node of the broker, as root. A second run changes nothing.
set -eu
`

const removeFunctions = `
users=$(ctl list_users)
queues=$(ctl list_queues -p "$vhost" name)

# remove_login NAME LISTED: LISTED is the name as rabbitmqctl prints it.
remove_login() {
	if ! printf '%s\n' "$users" | cut -f 1 | grep -Fqx -e "$2"; then return; fi
	others=$(ctl list_user_permissions "$1" | cut -f 1 | grep -Fvx -e "$vhost" || true)
	if [ -z "$others" ]; then
		ctl delete_user "$1"
		return
	fi
	ctl clear_permissions -p "$vhost" "$1"
	ctl clear_topic_permissions -p "$vhost" "$1"
	warn "login $1 has permissions in other virtual hosts and stays: $(printf '%s\n' "$others" | head -n 5 | paste -s -d ' ' -)"
}

remove_queue() {
	if ! printf '%s\n' "$queues" | grep -Fqx -e "$1"; then return; fi
	if ctl delete_queue -p "$vhost" "$1"; then return; fi
	# The queue of a connection that has just ended is gone by now.
	if ctl list_queues -p "$vhost" name | grep -Fqx -e "$1"; then warn "queue $1 is still there: is the agent running?"; fi
}

`
