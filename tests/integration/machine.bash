# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # the test sets work, build, self and reads fail
# A scratch machine for tests of what administrators do: a mount, network and process namespace whose /etc, /run, /var/lib,
# /var/log and /var/spool are scratch copies, and a Postfix as Debian installs it in there. What `make install` installs
# goes below DESTDIR, which is in PATH. Everything that runs in it ends with it.
#
# Source it in the top directory with $build and $self (this test) set. machine_possible, machine_enter; inside: machine_begin,
# machine_sink or machine_postfix, machine_mailtailord, machine_signer, and what looks at the mail in the sink.

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
	machine_sink
}

machine_sink() {
	smtp-sink -u nobody -d "$work/sink/dump." 127.0.0.1:2526 100 >"$work/log/sink" 2>&1 &
}

listening() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# What make install brings, with keys and sample profiles, run as its unit says: mailtailord's process id in mailtailor_pid.
machine_mailtailord() {
	make install PREFIX=/usr &&
		mailtailor key generate --file /etc/mailtailor/keys &&
		systemd-sysusers mailtailor.conf && systemd-tmpfiles --create mailtailor.conf &&
		"$@" &&
		install -d -o mailtailor -g mailtailor -m 700 /var/lib/mailtailor && # root may be first there
		mailtailor profile import contrib/demo/profiles.csv && [ -z "$(find /var/lib/mailtailor ! -user mailtailor)" ] &&
		mailtailor_pid=$(tests/integration/run-unit.pl "$work/dest/usr/lib/systemd/system/mailtailord.service" "$work/dest" "$work/log/mailtailord")
}

# OpenDKIM with a fresh key and these lines; its process id in signer_pid.
machine_signer() { # lines of an opendkim.conf, its socket
	local dir=/etc/dkimkeys
	install -d -o opendkim -m 700 "$dir" /run/opendkim &&
		opendkim-genkey -b 2048 -d shop.example -s test -D "$dir" && chown opendkim "$dir"/* || return
	{
		printf 'Syslog no\nMode s\nDomain shop.example\nSelector test\nKeyFile %s/test.private\n' "$dir"
		cat "$1"
	} >/etc/opendkim.conf
	opendkim -f -u opendkim -x /etc/opendkim.conf >"$work/log/opendkim" 2>&1 &
	signer_pid=$!
	await 10 test -S "$2"
}

# contrib/demo/campaign.eml: message id, campaign or nothing
machine_message() {
	sed "s/@DATE@/$(LC_ALL=C date -R)/; s/@ID@/$1/" contrib/demo/campaign.eml |
		if [ -n "${2:-}" ]; then sed "s/^X-Mailtailor-Campaign: .*/X-Mailtailor-Campaign: $2/"; else sed /^X-Mailtailor-Campaign/d; fi
}

send() { # port, id, campaign or "", recipients
	machine_message "$2" "$3" >"$work/mail"
	swaks --server "127.0.0.1:$1" --from hello@shop.example --to "$4" --data - <"$work/mail"
}

# As mailtailor's injector hands it over.
send_copy() { # port, id, recipient
	{
		printf 'X-Mailtailor-Job: mark\nList-Unsubscribe: <https://t.shop.example/u/x>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n'
		machine_message "$2" spring-sale
	} >"$work/mail"
	swaks --server "127.0.0.1:$1" --from bounces+token@shop.example --to "$3" --data - <"$work/mail"
}

logged() { grep -q "campaign=$1 recipient=[0-9a-f]* sent" "$work/log/mailtailord"; }
copy_of() { grep -lrs "^Message-ID: <$1@" "$work/sink" | head -n 1 | grep .; }

# The h= of the signature names the field as often as it is there, and once more.
signed() { # id, field
	local signature
	signature=$(perl -0777 -ne 's/\r//g; s/\n[ \t]+//g; print "$1\n" if /^DKIM-Signature:(.*)$/mi' "$(copy_of "$1")")
	[ "$(sed -E 's/.*[; ]h=([^;]*);.*/\1/' <<<"$signature" | tr -d ' ' | tr ':A-Z' '\na-z' | grep -cx "$2")" -eq 2 ]
}

verified() { # id; by OpenDKIM itself, with the public key from a file
	sed -E 's/\r$//; /^X-(Client|Helo|Mail|Rcpt)-/d; s/$/\r/' "$(copy_of "$1")" >"$work/copy"
	printf 'test._domainkey.shop.example %s\n' "$(tr -d '\n\t"' </etc/dkimkeys/test.txt | sed -E 's/.*\( *(.*)\).*/\1/')" >"$work/keys"
	printf 'Mode v\nSyslog no\nTestPublicKeys %s\n' "$work/keys" >"$work/verify.conf"
	opendkim -x "$work/verify.conf" -t "$work/copy" -vv | grep 'verification (s=test, d=shop.example.*) succeeded'
}

# A copy that went in at the injection port: its templates' braces are as they were, it is signed, its mark is gone.
copy_passed() { # port, id, recipient
	send_copy "$1" "$2" "$3" && await 20 copy_of "$2" && grep -q '{{' "$(copy_of "$2")" && verified "$2" &&
		signed "$2" list-unsubscribe && signed "$2" list-unsubscribe-post && ! grep -i '^X-Mailtailor-Job' "$(copy_of "$2")"
}

bounce_kept() { # port, where it goes: mail to bounces+TOKEN@ arrives there
	swaks --server "127.0.0.1:$1" --from '<>' --to bounces+TOKEN@shop.example --header "Message-ID: <bounce@x>" && await 20 copy_of bounce &&
		grep "^X-Rcpt-Args: <$2>" "$(copy_of bounce)"
}

log_clean() { # also what sanitizers say of a build with them
	! grep -E 'error:|ERROR:|SUMMARY:' "$work/log/mailtailord"
}
