# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Two machines with ghostd on each; sourced. This one is 10.77.0.1, the other 10.77.0.2, where
# peer.py serves (see scripts/guest-pair). They have the same files.

# shellcheck disable=SC2154 # the folder of this script
peer=10.77.0.2
work=/tmp/ghost-pair

# there COMMAND: on the other machine
there() { "$here/peer.py" $peer 4468 "$@" < /dev/null; }

# One authority, and a certificate for each machine, by its address
make_keys()
{
	local n
	printf '%s\n' "cn = ca" ca cert_signing_key "expiration_days = 10" > ca.t
	certtool --generate-privkey --key-type ed25519 --outfile ca.key
	certtool --generate-self-signed --load-privkey ca.key --template ca.t --outfile ca.pem
	for n in 1 2; do
		printf '%s\n' "cn = machine $n" "dns_name = machine$n" "ip_address = 10.77.0.$n" \
			tls_www_server tls_www_client signing_key "expiration_days = 10" > host.t
		certtool --generate-privkey --key-type ed25519 --outfile host$n.key
		certtool --generate-certificate --load-privkey host$n.key --template host.t \
			--load-ca-certificate ca.pem --load-ca-privkey ca.key --outfile host$n.pem
	done
} 2> /dev/null

# begin_pair FILE...: go to a folder that both have, with these files, and start ghostd on both
begin_pair()
{
	local n set_up
	rm -rf $work
	mkdir -m 777 $work && mkdir $work/keys && cd $work/keys && make_keys && cd $work &&
		cp "$@" . || return
	cat > ghostd.conf <<- 'END'
		certificate /etc/ghost/host.pem
		key /etc/ghost/host.key
		authority /etc/ghost/authority.pem
		allow machine? root
		patience 5
	END
	set_up="mkdir -p /etc/ghost && cd $work && cp keys/ca.pem /etc/ghost/authority.pem &&
		cp keys/host\$n.pem /etc/ghost/host.pem &&
		cp keys/host\$n.key /etc/ghost/host.key &&
		(setsid ghostd -c ghostd.conf > log 2>&1 < /dev/null &)"
	# With their times, so that they are the same files
	tar --format=posix -C /tmp -c ghost-pair | base64 -w0 | "$here/peer.py" $peer 4468 \
		"rm -rf $work && base64 -d | tar -C /tmp -xp && n=2 && $set_up" || return
	n=1
	eval "$set_up"
}

end_pair()
{
	pkill -x ghostd
	there "pkill -x ghostd; rm -rf $work"
	cd / && rm -rf $work
}

# The last copies that were made
copy_here() { sed -n 's/.* runs as \([0-9]*\)$/\1/p' $work/log | tail -n 1; }
copy_there() { there "sed -n 's/.* runs as \([0-9]*\)$/\1/p' $work/log | tail -n 1"; }
