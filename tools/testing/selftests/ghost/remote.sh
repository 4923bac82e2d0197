#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ghost migrate and ghost dup --to, with ghostd on the same machine: TLS, rights, standard
# descriptors, and what hostile peers can do. Two machines are in scripts/guest-pair.

. "$(dirname "$(readlink -f "$0")")/cmd-lib.sh"

ghostd=${GHOSTD:-$(command -v ghostd)}
modprobe -q tls
if [ -z "$ghostd" ] || ! command -v certtool > /dev/null ||
   ! grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp; then
	echo "1..0 # SKIP wanted: ghostd (tools/ghost), certtool, CONFIG_TLS"
	exit $ksft_skip
fi
id ghost-a > /dev/null 2>&1 || useradd -m ghost-a
id ghost-b > /dev/null 2>&1 || useradd -m ghost-b
state=$dir/state

at_end() { stop_daemon; }

# certificate NAME AUTHORITY LINE...: NAME.pem and NAME.key
certificate()
{
	local name=$1 authority=$2
	shift 2
	printf '%s\n' "$@" signing_key "expiration_days = 10" > "$name.t"
	certtool --generate-privkey --key-type ed25519 --outfile "$name.key" 2> /dev/null &&
		certtool --generate-certificate --load-privkey "$name.key" --template "$name.t" \
			--load-ca-certificate "$authority.pem" --load-ca-privkey "$authority.key" \
			--outfile "$name.pem" 2> /dev/null
}

authority()
{
	printf '%s\n' "cn = $1" ca cert_signing_key "expiration_days = 10" > "$1.t"
	certtool --generate-privkey --key-type ed25519 --outfile "$1.key" 2> /dev/null &&
		certtool --generate-self-signed --load-privkey "$1.key" --template "$1.t" \
			--outfile "$1.pem" 2> /dev/null
}

mkdir -m 755 keys && cd keys && authority ca && authority stranger &&
	certificate host ca "cn = this host" "dns_name = localhost" tls_www_server &&
	certificate elsewhere ca "cn = another host" "dns_name = elsewhere" tls_www_server &&
	certificate a ca "cn = a" "email = ghost-a@localhost" tls_www_client &&
	certificate fake stranger "cn = a" "email = ghost-a@localhost" tls_www_client &&
	chmod 644 -- * && cd .. || exit 1
keys=$dir/keys

# start_daemon LINE...: with these lines in its configuration
start_daemon()
{
	stop_daemon
	printf '%s\n' "listen 127.0.0.1" "certificate $keys/host.pem" "key $keys/host.key" \
		"authority $keys/ca.pem" "state $state" "$@" > conf
	"$ghostd" -c conf 2> log &
	daemon=$!
	until_true listens
}

listens() { : < /dev/tcp/127.0.0.1/4467; } 2> /dev/null

stop_daemon()
{
	[ -z "${daemon-}" ] && return
	kill "$daemon" && wait "$daemon"
	daemon=
} 2> /dev/null

logged() { grep -qF -- "$1" log && return; note "not logged: $1; but: $(tail -n 3 log)"; return 1; }

# as NAME WANT ARGUMENT...: run ghost with somebody's certificate
as()
{
	local name=$1 want=$2 command=$3
	shift 3
	g "$want" "$command" --certificate "$keys/$name.pem" --key "$keys/$name.key" \
		--authority "$keys/ca.pem" "$@"
}

# sum.py as user ghost-a, its standard descriptors are pipes; ask it by descriptor 8
start_users_sum() # [SECONDS]: that it stays after the end of what it reads
{
	mkfifo in
	rm -f pid
	install -m 666 /dev/null pid
	runuser -u ghost-a -- $python sum.py pid "${1:-0}" < in 2>&1 | cat > out &
	exec 8> in
	until_true has out ready && p=$(cat pid)
}

# The copy that the daemon has said it has made
copy() { sed -n 's/.* runs as \([0-9]*\)$/\1/p' log | tail -n 1; }
owner() { stat -c %U "/proc/$1"; }

moves_through_tls()
{
	local c
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum 60 && ask 1 && ask 2 &&
		until_true has out 3 && as a 0 migrate "$p" localhost &&
		said "runs on localhost as" && until_true gone "$p" && c=$(copy) &&
		[ "$(owner "$c")" = ghost-a ] &&
		[ "$(readlink "/proc/$c/fd/0")" = /dev/null ] &&
		! grep -q "^CapPrm:.*[1-9a-f]" "/proc/$c/status" && kill -KILL "$c"
}

keeps_its_results()
{
	local c
	start_daemon "allow ghost-a@* ghost-b,ghost-a" && mkdir -m 777 open || return 1
	: > in.enough
	$python compute.py pid 1000000 > want
	was 37 $? || return 1
	rm -f pid in.enough
	install -m 666 /dev/null pid
	runuser -u ghost-a -- $python compute.py pid 1000000 | cat > out &
	until_true test -s pid && p=$(cat pid) &&
		as a 0 migrate --stdio "$dir/open/result" "$p" localhost || return 1
	: > in.enough
	c=$(copy)
	until_true gone "$c" && cmp want open/result &&
		[ "$(stat -c %U open/result)" = ghost-a ]
}

is_forwarded()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum && ask 5 &&
		until_true has out 5 || return 1
	mkfifo in.2
	as a 37 migrate --stdio forward "$p" localhost < in.2 > out.2 &
	local job=$!
	exec 9> in.2
	until_true gone "$p" && echo 6 >&9 && until_true has out.2 11 && c=$(copy) &&
		kill -USR1 "$(pgrep -P $job ghost || echo $job)" && until_true has out.2 usr1 &&
		echo "exit 37" >&9 && wait $job && exec 9>&- && until_true gone "$c"
}

ends_by_the_same_signal()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum || return 1
	mkfifo in.2
	as a 143 migrate --stdio forward "$p" localhost < in.2 > out.2 &
	local job=$!
	exec 9> in.2
	until_true gone "$p" && echo "raise 15" >&9 && wait $job && exec 9>&-
}

much_output_is_not_lost()
{
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	cat > talk.py <<- 'END'
		import os, sys, time
		with open("pid", "w") as f:
		    print(os.getpid(), file=f)
		sys.stdin.readline()
		for i in range(100000):
		    print("line", i)
	END
	mkfifo in
	mkfifo in.2
	install -m 666 /dev/null pid
	runuser -u ghost-a -- $python talk.py < in | cat > out &
	exec 8> in
	until_true test -s pid && p=$(cat pid) && until_true state_is "$p" S || return 1
	as a 0 migrate --stdio forward "$p" localhost < in.2 > out.2 &
	local job=$!
	exec 9> in.2
	until_true gone "$p" && echo go >&9 && wait $job && exec 9>&- &&
		[ "$(wc -l < out.2)" = 100000 ] && [ "$(tail -n 1 out.2)" = "line 99999" ] && return
	note "$(wc -l < out.2) lines, the last is '$(tail -n 1 out.2)'"
	return 1
}

has_a_terminal()
{
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	cat > tty.py <<- 'END'
		import os, subprocess, sys, time
		ghost, keys = sys.argv[1:]
		pid, master = os.forkpty()
		if not pid:
		    os.execvp("runuser", ["runuser", "-u", "ghost-a", "--", sys.executable, "-c",
		              "import os\nprint(os.getpid(), os.isatty(0), flush=True)\n"
		              "while True:\n"
		              "  try: print('got', input(), os.isatty(1), flush=True)\n"
		              "  except KeyboardInterrupt: print('interrupted', flush=True)\n"
		              "  except EOFError: raise SystemExit(5)\n"])
		seen = b""
		def wait_for(fd, text):
		    global seen
		    while text not in seen:
		        seen += os.read(fd, 1000)
		wait_for(master, b"True")
		p = seen.split()[0].decode()
		pid2, master2 = os.forkpty()
		if not pid2:
		    os.execv(ghost, ["ghost", "migrate", "--certificate", keys + "/a.pem", "--key",
		             keys + "/a.key", "--authority", keys + "/ca.pem", "--stdio", "forward",
		             p, "localhost"])
		def lives():
		    try:
		        return "State:\tZ" not in open("/proc/" + p + "/status").read()
		    except OSError:
		        return False
		while lives():
		    time.sleep(0.1)
		seen = b""
		time.sleep(0.5)
		os.write(master2, b"hello\n")
		wait_for(master2, b"got hello True")
		os.write(master2, b"\x03")
		wait_for(master2, b"interrupted")
		os.write(master2, b"\x04")
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid2, 0)[1]))
	END
	code 5 timeout 60 $python tty.py "$ghost" "$keys" 2> err
}

strangers_are_refused()
{
	start_daemon "allow *@* ghost-a" && start_users_sum &&
		as fake 77 migrate "$p" localhost && said "NOT trusted" && ask 4 &&
		until_true has out 4 && ! logged "runs as" > /dev/null
}

wrong_host_is_refused()
{
	start_daemon "allow *@* ghost-a" "certificate $keys/elsewhere.pem" \
		"key $keys/elsewhere.key" && start_users_sum && as a 77 migrate "$p" localhost &&
		said "certificate of localhost" && ask 4 && until_true has out 4
}

nobody_gets_another_user()
{
	start_daemon "allow ghost-a@localhost ghost-b" && start_users_sum &&
		as a 77 migrate "$p" localhost && said "may have no processes of user ghost-a" &&
		ask 4 && until_true has out 4
}

root_is_not_meant_by_a_pattern()
{
	start_daemon "allow ghost-a@localhost *" && start_sum &&
		as a 77 migrate "$p" localhost && said "may have no processes of user root" &&
		ask 4 && until_true has out 4 && start_daemon "allow ghost-a@localhost root" &&
		as a 0 migrate "$p" localhost && until_true gone "$p" &&
		logged "process of user root runs as"
}

without_tls_nobody_is_served()
{
	start_daemon "allow * *" && start_users_sum &&
		g 77 migrate --insecure "$p" localhost && said "without TLS nobody is served" &&
		start_daemon "allow * *" "insecure yes" &&
		g 77 migrate --insecure "$p" localhost && said "insecure may have no processes" &&
		start_daemon "allow insecure ghost-a" "insecure yes" &&
		g 0 migrate --insecure "$p" localhost && until_true gone "$p"
}

noise_does_no_harm()
{
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	local round
	for round in {1..5}; do
		head -c 20000 /dev/urandom > /dev/tcp/127.0.0.1/4467
		printf '\x16\x03\x01\x40\x00' > /dev/tcp/127.0.0.1/4467
		printf '\x01\x00\x00\x00\xff\xff\xff\xff' > /dev/tcp/127.0.0.1/4467
	done 2> /dev/null
	start_users_sum && as a 0 migrate "$p" localhost && until_true gone "$p"
}

# tls [OPTION...]: shake hands as a, and say what is read here; "out" has what comes of it
tls()
{
	timeout 20 gnutls-cli --x509cafile "$keys/ca.pem" --x509certfile "$keys/a.pem" \
		--x509keyfile "$keys/a.key" -p 4467 "$@" localhost > out 2>&1
}

noise_inside_tls_does_no_harm()
{
	local size
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	tls < /dev/null
	grep -qs "Handshake was completed" out || return 1
	for size in 1 7 8 64 4096 100000; do
		head -c $size /dev/urandom | tls
	done
	# Too long; of no length; of an unknown sort
	printf '\x01\x00\x00\x00\xff\xff\xff\xff' | tls
	printf '\x01\x00\x00\x00\x00\x00\x00\x00' | tls
	printf '\xff\x00\x00\x00\x04\x00\x00\x00abcd' | tls
	start_users_sum && as a 0 migrate "$p" localhost && until_true gone "$p"
}

older_tls_is_refused()
{
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	tls --priority "NORMAL:-VERS-ALL:+VERS-TLS1.2" < /dev/null
	! grep -qs "Handshake was completed" out && until_true logged "TLS: "
}

silent_clients_do_not_keep_others_out()
{
	local ret
	start_daemon "allow ghost-a@localhost ghost-a" "max-per-host 2" && start_users_sum ||
		return 1
	exec 5<> /dev/tcp/127.0.0.1/4467 6<> /dev/tcp/127.0.0.1/4467
	sleep 0.5
	as a 75 migrate "$p" localhost
	ret=$?
	logged "max-per-host" && [ $ret = 0 ] || return 1
	# Ten seconds, no longer
	until_true serves_again && until_true gone "$p"
	ret=$?
	exec 5>&- 6>&-
	return $ret
}

serves_again() { as a 0 migrate "$p" localhost > /dev/null; }

too_large_is_refused()
{
	start_daemon "allow ghost-a@localhost ghost-a" "max-size 1M" && start_users_sum &&
		as a 69 migrate "$p" localhost && said "destination: image: longer than 1048576" &&
		said "it runs on here; 'max-size'" && ask 4 && until_true has out 4 &&
		until_true logged "longer than"
}

what_lacks_is_named()
{
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	cat > reader.py <<- 'END'
		import os, sys, time
		f = open("data")
		with open("pid", "w") as p:
		    print(os.getpid(), file=p)
		print("ready", flush=True)
		print(sys.stdin.readline().strip(), flush=True)
	END
	echo first > data
	chmod 644 data
	mkfifo in
	install -m 666 /dev/null pid
	runuser -u ghost-a -- $python reader.py < in | cat > out &
	exec 8> in
	until_true has out ready && p=$(cat pid) && chmod 600 data &&
		! as a 0 migrate "$p" localhost > /dev/null
	said "destination: " && said "data" && ask on && until_true has out on
}

# A destination that plays along until GO, and then is gone
cat > vanish.py <<- 'END'
	import socket, struct, sys
	listener = socket.create_server(("127.0.0.1", 4500))
	print("listens", flush=True)
	s, _ = listener.accept()
	def get(n):
	    data = b""
	    while len(data) < n:
	        part = s.recv(n - len(data))
	        if not part:
	            sys.exit("too soon")
	        data += part
	    return data
	def message(kind, data=b""):
	    s.sendall(struct.pack("<II", kind, len(data)) + data)
	def hear():
	    kind, n = struct.unpack("<II", get(8))
	    return kind, get(n)
	hear()					# the request
	message(2, b"ok")
	hear()					# HELLO
	message(2, struct.pack("<II", 1, 0))
	_, n, _ = struct.unpack("<8sII", get(16))	# header of the image
	get(n - 16)
	while True:
	    kind, n, _, _ = struct.unpack("<IIII", get(16))
	    get(n)
	    if kind == 255:			# the end of the image
	        break
	hear()					# END
	message(5)
	hear()					# GO
END

hold_it()
{
	$python vanish.py > out.vanish &
	until_true has out.vanish listens && g 76 migrate --insecure "$p" localhost:4500 &&
		said "ghost migrate --resolve $p" && ask 4 && sleep 0.5 && ! has out 4
}

name_of()
{
	echo "$(cat /proc/sys/kernel/random/boot_id):$1:$(sed 's/.*) //' "/proc/$1/stat" |
		cut -d' ' -f20)"
}

# record VALUE: what the daemon knows of process $p: -1: nothing, 0: there is no copy, or its id
record()
{
	local folder=$state/ghost-a@localhost:ghost-a
	local boot
	boot=$(cat /proc/sys/kernel/random/boot_id)
	mkdir -p -m 755 "$state" && mkdir -p -m 755 "$folder" &&
		printf '%-63s\n' "$boot $1" > "$folder/$(name_of "$p")"
}

what_is_held_can_be_resolved()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum && hold_it &&
		record 0 && as a 0 migrate --resolve "$p" localhost && said "it runs on here" &&
		until_true has out 4 &&
		as a 64 migrate --resolve "$p" localhost && said "it is not held"
}

what_runs_there_is_ended_here()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum && hold_it &&
		record 4711 && as a 77 migrate "$p" localhost && said "has come before" &&
		as a 0 migrate --resolve "$p" localhost && said "runs on localhost as 4711" &&
		until_true gone "$p"
}

what_is_not_known_stays_held()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum && hold_it &&
		as a 76 migrate --resolve "$p" localhost && said "does not know either" &&
		record -1 && as a 76 migrate --resolve "$p" localhost &&
		said "does not know either" && ! has out 4 &&
		as a 0 migrate --resolve=here "$p" localhost && until_true has out 4
}

a_known_end_needs_no_answer()
{
	start_users_sum && hold_it && as a 0 migrate --resolve=there "$p" localhost &&
		until_true gone "$p"
}

moves_again_after_a_failure()
{
	start_daemon "allow ghost-a@localhost ghost-a" "max-size 1M" && start_users_sum 60 &&
		! as a 0 migrate "$p" localhost > /dev/null && until_true logged "longer than" &&
		start_daemon "allow ghost-a@localhost ghost-a" && as a 0 migrate "$p" localhost &&
		until_true gone "$p" && kill -KILL "$(copy)"
}

# capability_is_not_had WHAT SETPRIV-OPTION...
capability_is_not_had()
{
	local what=$1
	shift
	start_daemon "allow ghost-a@localhost ghost-a" || return 1
	mkfifo in
	install -m 666 /dev/null pid
	setpriv --reuid ghost-a --regid ghost-a --init-groups --inh-caps +checkpoint_restore "$@" \
		$python sum.py pid < in 2>&1 | cat > out &
	exec 8> in
	until_true has out ready && p=$(cat pid) && as a 77 migrate "$p" localhost &&
		said "destination: capabilities: $what" && ask 4 && until_true has out 4
}

capabilities_of_the_daemon_are_not_had()
{
	capability_is_not_had "exceed the importer's" --ambient-caps +checkpoint_restore
}

nor_can_they_be_inherited() { capability_is_not_had "to inherit: "; }

each_has_its_own_files()
{
	local q c
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum 60 || return 1
	install -m 666 /dev/null pid.2
	install -m 666 /dev/null said
	runuser -u ghost-a -- $python sum.py pid.2 60 < /dev/null > said 2>&1 8>&- &
	until_true has said ready && q=$(cat pid.2) && as a 0 migrate "$p" "$q" localhost &&
		until_true gone "$p" && until_true gone "$q" && c=$(copy) &&
		[ "$(readlink "/proc/$c/fd/1")" = "$dir/said" ]
	local ret=$?
	# shellcheck disable=SC2046
	kill -KILL $(sed -n 's/.* runs as \([0-9]*\)$/\1/p' log)
	return $ret
}

copies_are_made_here()
{
	local c ret
	start_users_sum 60 && ask 3 && until_true has out 3 &&
		g 0 dup -n 3 --stdio "$dir/result" "$p" > out.pids &&
		[ "$(wc -l < out.pids)" = 3 ] || return 1
	while read -r c; do
		[ "$(owner "$c")" = ghost-a ] && kill -USR1 "$c" || return 1
	done < out.pids
	until_true copies_have_answered && ask 4 && until_true has out 7
	ret=$?
	# shellcheck disable=SC2046
	kill -KILL $(cat out.pids)
	return $ret
}

copies_have_answered() { [ "$(grep -c usr1 result)" = 3 ]; }

copies_are_made_there()
{
	start_daemon "allow ghost-a@localhost ghost-a" && start_users_sum && ask 3 &&
		until_true has out 3 && as a 0 dup -n 2 --to localhost "$p" &&
		[ "$(grep -c "runs as" log)" = 2 ] && ask 4 && until_true has out 7
}

configuration_is_checked()
{
	printf 'listen 127.0.0.1\nallow a\n' > conf
	code 78 "$ghostd" -t -c conf 2> err && said "conf, line 2" && echo "max-size 1Q" > conf &&
		code 78 "$ghostd" -t -c conf 2> err && said "'1Q'" && echo "nonsense 1" > conf &&
		code 78 "$ghostd" -t -c conf 2> err && said "'nonsense'" &&
		printf 'allow a b # c\n\n' > conf && code 0 "$ghostd" -t -c conf 2> err
}

tests=(
	"A process moves through TLS to the right user" moves_through_tls
	"A process that moved has the result of an undisturbed run" keeps_its_results
	"Pipes, signals and the exit status are forwarded" is_forwarded
	"Death by a signal is forwarded" ends_by_the_same_signal
	"Much output is not lost" much_output_is_not_lost
	"A terminal is forwarded, with ^C and ^D" has_a_terminal
	"A certificate of a stranger is refused" strangers_are_refused
	"A certificate of another host is refused" wrong_host_is_refused
	"Nobody gets processes of another user" nobody_gets_another_user
	"Root is not meant by a pattern" root_is_not_meant_by_a_pattern
	"Without TLS nobody is served unless both say so" without_tls_nobody_is_served
	"Noise does no harm" noise_does_no_harm
	"Noise inside of TLS does no harm" noise_inside_tls_does_no_harm
	"TLS before 1.3 is refused" older_tls_is_refused
	"Silent clients do not keep others out for long" silent_clients_do_not_keep_others_out
	"What is too large is refused" too_large_is_refused
	"What the destination cannot open is named, and the process runs on" what_lacks_is_named
	"What is held can be resolved, and runs on" what_is_held_can_be_resolved
	"What runs at the destination is ended here" what_runs_there_is_ended_here
	"What is not known stays held" what_is_not_known_stays_held
	"What is known by hand needs no answer" a_known_end_needs_no_answer
	"What could not be made can come again" moves_again_after_a_failure
	"Capabilities of the daemon are not had" capabilities_of_the_daemon_are_not_had
	"Nor can they be inherited" nor_can_they_be_inherited
	"Each of several has its own files" each_has_its_own_files
	"Copies are made here" copies_are_made_here
	"Copies are made there" copies_are_made_there
	"The configuration is checked" configuration_is_checked
)
run_tests
exit $failed
