package brokersetup

// The parts of the script. Its rabbitmqctl commands are in RabbitMQ since 3.8.2
// and need no plugin. Each takes seconds, so none is called for each login.

const head = `#!/bin/sh
# A virtual host and logins for Warren, printed by warren broker-setup.
# Run it on a node of the broker, as who may call rabbitmqctl. It may be run again:
# what is there stays, and permissions are set anew. It bears no password, only the
# hashes of random ones.
set -eu
`

const ctl = `
if ! command -v rabbitmqctl >/dev/null; then
	echo 'error: there is no rabbitmqctl here' >&2
	echo 'hint: run this on a node of the broker, as root' >&2
	exit 2
fi

# Without /dev/null it could read on from this script.
ctl() { rabbitmqctl -s "$@" </dev/null; }
found=0
warn() { printf 'warning: %s\n' "$1" | tr -d '\000-\011\013-\037\177' >&2; found=1; }
`

// printFindings prints findings apart from the warnings of rabbitmqctl on standard error, such as
// "warning: the VM is running with native name encoding of latin1".
const printFindings = `
warn() { printf '%s\n' "$1" | tr -d '\000-\011\013-\037\177'; found=1; }
`

const setUp = `
# import takes definitions from a file, since rabbitmqctl of RabbitMQ 4.0 can hang when it reads
# them from a pipe. Packages of RabbitMQ run rabbitmqctl as the user rabbitmq, who must be able to
# read the file.
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM
chmod 711 "$temporary"
import() {
	(umask 077 && cat >"$temporary/definitions.json")
	chown rabbitmq "$temporary/definitions.json" 2>/dev/null || true
	ctl import_definitions "$temporary/definitions.json"
}

if ! ctl list_vhosts name | grep -Fqx -e "$vhost"; then
	ctl add_vhost "$vhost"
fi
users=$(ctl list_users)

# of_users runs awk on the definitions, with those users in known who are there. A
# user of the definitions stands in a line of its own: name, JSON, new or kept.
of_users() {
	{ printf '%s\n' "$users"; definitions; } | awk -F '\t' '
		/^[{]"users":\[$/ { begun = 1 }
		!begun { known[$1]; next }
		'"$1"
}
all=$(of_users '
		NF == 1 { print }
		NF > 1 && !($1 in known) { print comma $2; comma = "," }')
# RabbitMQ imports permissions for routing keys before exchanges, and with Khepri refuses
# them where the exchange is missing.
exchanges | import
printf '%s\n' "$all" | import
stale=$(of_users '$3 == "new" && ($1 in known) { print $1 }')
if [ -n "$stale" ]; then
	warn "was there before, and keeps a password that is not the new one in the files: $(printf '%s\n' "$stale" | head -n 5 | paste -s -d ' ' -)"
	echo 'hint: use the old files, or rabbitmqctl delete_user and run this again' >&2
fi
`

const check = `
# Is anybody else here?
queues=$(ctl list_queues -p "$vhost" name)
exchanges=$(ctl list_exchanges -p "$vhost" name type)
permissions=$(ctl list_permissions -p "$vhost")
topics=$(ctl list_topic_permissions -p "$vhost")
queues=$(printf '%s\n' "$queues" | grep -Ev '^(warren\.(host|inbox|reply|file)\..*)?$' || true)
if [ -n "$queues" ]; then
	warn "virtual host $vhost has queues that are not Warren's: $(printf '%s\n' "$queues" | head -n 5 | paste -s -d ' ' -)"
fi
for exchange in warren.hosts:topic warren.replies:topic warren.discover:fanout; do
	if ! printf '%s\n' "$exchanges" | tr '\t' : | grep -Fqx "$exchange"; then
		warn "virtual host $vhost has no exchange ${exchange%:*} of type ${exchange#*:}; where there is one of another type, begin with a new virtual host"
	fi
done
everybody=$({ printf '%s\n' "$topics" | sed 's/^/topic	/'; printf '%s\n' "$permissions" | sed 's/^/all	/'; } | awk -F '\t' '
		function any(re) { gsub(/[$^]/, "", re); return re ~ /^(warren)?(\\\.)?\.[*+]$/ }
		$1 == "topic" && $3 == "warren.hosts" { keys[$2] } # without them, each routing key is permitted
		$1 == "all" && $3 $4 $5 !~ /^[$^]*$/ && (any($3) || any($4) || any($5) || !($2 in keys)) { print $2 }')
if [ -n "$everybody" ]; then
	warn "not confined in virtual host $vhost: $(printf '%s\n' "$everybody" | head -n 5 | paste -s -d ' ' -)"
fi
`
