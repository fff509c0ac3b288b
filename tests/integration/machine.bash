# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # the test sets work, build, self and reads fail
# A scratch machine for tests of what administrators do: a mount, network and process namespace whose /etc, /run, /var/lib,
# /var/log and /var/spool are scratch copies, and a Postfix as Debian installs it in there. What `make install` installs
# goes below DESTDIR, which is in PATH. Everything that runs in it ends with it.
#
# Source it in the top directory with $build and $self (this test) set. machine_possible, machine_enter; inside: machine_begin,
# machine_postfix.

fail=0
ok() { printf 'ok - %s\n' "$*"; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }
not_ok() { # name, file with its output
	printf 'not ok - %s\n' "$1"
	tail -n 20 "${2:-/dev/null}" | cut -c1-300 | sed 's/^/# /'
	fail=1
}
check() { # name, command…
	local name=$1
	shift
	if "$@" >"$work/out" 2>&1; then ok "$name"; else not_ok "$name" "$work/out"; fi
}

await() { # seconds, command…
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

namespaces=(unshare --mount --net --pid --fork --kill-child --mount-proc)
machine_possible() {
	[ "$(id -u)" -eq 0 ] && "${namespaces[@]}" true 2>/dev/null
}

# Runs "$self --inside WORK" in there; the exit code is its own.
machine_enter() { # work directory
	"${namespaces[@]}" "$self" --inside "$1"
}

machine_begin() {
	mount --make-rprivate / && ip link set lo up || return
	chmod 755 "$work" # daemons of other users walk through here
	mkdir -p "$work"/{etc,bin,dest/etc/mailtailor,sink,log,spool} && chown nobody "$work/sink"
	cp -a /etc/. "$work/etc/" && rm -rf "$work/etc/mailtailor" && mkdir "$work/etc/mailtailor" || return
	cp -a /var/spool/postfix "$work/spool/" || return
	rm -rf "$work/spool/postfix"/{pid/*,private/*,public/*,mailtailor,opendkim}
	mount --bind "$work/etc" /etc && mount --bind "$work/dest/etc/mailtailor" /etc/mailtailor &&
		mount --bind "$work/spool" /var/spool && mount --bind "$work/log" /var/log &&
		mount -t tmpfs -o mode=755 none /run && mount -t tmpfs -o mode=755 none /var/lib || return
	install -d -o postfix -g postfix -m 700 /var/lib/postfix
	# Where sysusers.d and tmpfiles.d are looked for, beside the /usr/lib that stays as it is.
	ln -s "$work/dest/usr/lib/sysusers.d" /run/sysusers.d
	ln -s "$work/dest/usr/lib/tmpfiles.d" /run/tmpfiles.d
	export PATH=$work/bin:$work/dest/usr/bin:$work/dest/usr/sbin:$PATH DESTDIR=$work/dest BUILD=$build
	unset MAILTAILOR_CONF MAILTAILOR_PLUGINS MAIL_CONFIG
}

# A Postfix as Debian installs it, smtpd in its chroot; what it sends on goes to a sink.
machine_postfix() {
	postconf -e 'inet_protocols = ipv4' 'inet_interfaces = 127.0.0.1' 'mynetworks = 127.0.0.0/8' 'smtpd_milters =' \
		'default_transport = smtp:[127.0.0.1]:2526' 'smtp_host_lookup = native' 'smtp_dns_support_level = disabled' \
		'myhostname = mail.shop.example' 'mydestination =' 'maillog_file = /var/log/mail.log' &&
		postconf -M 'smtp/inet=smtp inet n - y - - smtpd' 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd' &&
		postfix start
	smtp-sink -u nobody -d "$work/sink/dump." 127.0.0.1:2526 100 >"$work/log/sink" 2>&1 &
}

# contrib/demo/campaign.eml: message id, campaign or nothing
machine_message() {
	sed "s/@DATE@/$(LC_ALL=C date -R)/; s/@ID@/$1/" contrib/demo/campaign.eml |
		if [ -n "${2:-}" ]; then sed "s/^X-Mailtailor-Campaign: .*/X-Mailtailor-Campaign: $2/"; else sed /^X-Mailtailor-Campaign/d; fi
}
