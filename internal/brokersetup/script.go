package brokersetup

// The parts of the script. Its rabbitmqctl commands are in RabbitMQ since 3.8.2
// and need no plugin.

const head = `#!/bin/sh
# A virtual host and logins for Warren, printed by warren broker-setup.
# Run it on a node of the broker, as who may call rabbitmqctl. It may be run again:
# what is there stays, and permissions are set anew.
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
`

const loginHead = `
users=$(ctl list_users)
known() { printf '%s\n' "$users" | cut -f 1 | grep -Fqx -e "$1"; }
random() { od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'; }
`

const loginPassword = `
# login NAME FILE creates a user. Its password is written to a file that only you
# can read, and shown nowhere.
login() {
	if known "$1"; then return; fi
	(umask 077 && mkdir -p warren-passwords && rm -f "warren-passwords/$2" && random >"warren-passwords/$2")
	rabbitmqctl -q add_user "$1" <"warren-passwords/$2"
	created="${created-} $2"
}
`

const loginExternal = `
# login NAME creates a user who can log in by certificate only.
login() {
	if known "$1"; then return; fi
	random | rabbitmqctl -q add_user "$1"
	ctl clear_password "$1"
}
`

const vhost = `
if ! ctl list_vhosts name | grep -Fqx -e "$vhost"; then
	ctl add_vhost "$vhost"
fi

# Agents may not create exchanges: they find them.
`

const check = `# Is anybody else here? Operators may write to every queue of the virtual host.
found=0
warn() { printf 'warning: %s\n' "$1" | tr -d '\000-\011\013-\037\177' >&2; found=1; }
queues=$(ctl list_queues -p "$vhost" name)
exchanges=$(ctl list_exchanges -p "$vhost" name type)
permissions=$(ctl list_permissions -p "$vhost")
queues=$(printf '%s\n' "$queues" | grep -Ev '^(warren\.(host|inbox|reply)\..*)?$' || true)
if [ -n "$queues" ]; then
	warn "virtual host $vhost has queues that are not Warren's, and its operators may write to them: $(printf '%s\n' "$queues" | head -n 5 | paste -s -d ' ' -)"
fi
for exchange in warren.replies:topic warren.discover:fanout; do
	if ! printf '%s\n' "$exchanges" | tr '\t' : | grep -Fqx "$exchange"; then
		warn "virtual host $vhost has no exchange ${exchange%:*} of type ${exchange#*:}; where there is one of another type, begin with a new virtual host"
	fi
done
everybody=$(printf '%s\n' "$permissions" | awk -F '\t' '$2 == ".*" || $3 == ".*" || $4 == ".*" { print $1 }')
if [ -n "$everybody" ]; then
	warn "not confined in virtual host $vhost: $(printf '%s\n' "$everybody" | head -n 5 | paste -s -d ' ' -)"
fi
`

const tell = `if [ -n "${created-}" ]; then
	printf 'new passwords are in %s:%s\n' "$(pwd)/warren-passwords" "$created"
	echo 'hint: bring each to its host as the file for --broker-password-file, and delete it here'
fi
`
