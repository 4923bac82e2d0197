#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Migration between two machines, there and back. On the other one, which has the same files,
# peer.py serves; this one is 10.77.0.1, the other 10.77.0.2. It is not run by
# run_kselftest.sh: scripts/guest-pair boots the two.
#
#	GHOST_ROUNDS	migrations in a row (100)
#	GHOST_MB	of memory that is written all the time (256)
#	GHOST_AHEAD_MB	of memory, a part of which is written all the time (1024)
#	GHOST_CUTS	of the link, each at another moment (8)

here=$(dirname "$(readlink -f "$0")")
. "$here/cmd-lib.sh"

rounds=${GHOST_ROUNDS:-100}
megabytes=${GHOST_MB:-256}
ahead=${GHOST_AHEAD_MB:-1024}
cuts=${GHOST_CUTS:-8}

. "$here/pair-lib.sh"
there true || { echo "1..0 # SKIP nobody serves at 10.77.0.2"; exit $ksft_skip; }
begin_pair "$dir"/*.py "$here/mgs" || exit 1
at_end() { end_pair; }

gone_there() { ! there "kill -0 $1 2> /dev/null"; }
has_there() { there "grep -qsx -- '$2' $work/$1"; }

# to_peer PID [OPTION...], from_peer PID [OPTION...]; sets c, the copy
to_peer() { g 0 migrate "${@:2}" "$1" $peer && c=$(copy_there); }
from_peer()
{
	there "ghost migrate ${*:2} $1 10.77.0.1" > err 2>&1 && c=$(copy_here) && return
	note "$(head -c 300 err)"
	return 1
}

# start COMMAND...: sets p; what it says goes to "out", which it does not take along
start()
{
	"$@" < /dev/null 2>&1 | cat > out &
	p=$(pgrep -n -f -x "$*")
	until [ -n "$p" ]; do
		sleep 0.05
		p=$(pgrep -n -f -x "$*")
	done
}

gram_schmidt_goes_there()
{
	local size begin some
	# A machine may be so fast that it has ended before it moves
	for size in 800 1600; do
		begin=${EPOCHREALTIME/./}
		./mgs $size > want || return 1
		some=$(((${EPOCHREALTIME/./} - begin) / 4))
		start ./mgs $size
		sleep "$(printf '%d.%06d' $((some / 1000000)) $((some % 1000000)))"
		to_peer "$p" --stdio $work/result && break
		gone "$p" || return 1
	done
	until_true gone "$p" && until_true gone_there "$c" &&
		there "cat $work/result" > got && cat out got > all && cmp want all
}

# Counts by steps; each is written to a file of the machine that it runs on
cat > count.py <<- 'END'
	import os, sys, threading, time
	total = [0, 0]
	def other():
	    while True:
	        total[1] += 1
	        time.sleep(0.01)
	threading.Thread(target=other, daemon=True).start()
	while True:
	    total[0] += 1
	    fd = os.open("/tmp/ghost-pair/steps", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
	    os.write(fd, b"%d %d\n" % (total[0], total[1]))
	    os.close(fd)
	    time.sleep(0.01)
END

# It may be open at any moment, and is wanted at the other end then
empty_steps() { : > steps && there ": > $work/steps"; }
stepped() { [ -e steps ] && [ "$(wc -l < steps)" -ge "$1" ]; }

counts_on_without_a_loss()
{
	local i where=here last
	empty_steps || return 1
	start $python count.py
	until_true stepped 20 || return 1
	c=$p
	for ((i = 0; i < rounds; i++)); do
		if [ $where = here ]; then
			to_peer "$c" -q && where=there || return 1
		else
			from_peer "$c" -q && where=here || return 1
		fi
	done
	[ $where = here ] || from_peer "$c" -q || return 1
	last=$(wc -l < steps)
	until_true stepped $((last + 20)) && kill -KILL "$c" && there "cat $work/steps" > there.out
	# Every step once, on one machine or the other, and the second thread went on as well
	sort -n steps there.out | awk -v rounds="$rounds" '
		$1 != NR { print "# step", NR, "is", $1; bad = 1; exit }
		{ second = $2 }
		END { exit bad || NR < rounds || second < NR / 4 }'
}

# make_same FILE: an empty file that has the same inode number on both, as on a shared file system
make_same()
{
	local make="for i in {1..100}; do : > $1.\$i; done; stat -c '%i %n' $1.*" number name
	eval "$make" | sort > same.here
	there "$make" | sort > same.there
	read -r number name _ < <(join same.here same.there)
	[ -n "$number" ] && mv "$name" "$1" &&
		there "mv \$(find ${1%/*} -maxdepth 1 -inum $number) $1; rm -f $1.*" && rm -f "$1".*
}

sqlite_goes_on()
{
	local db=/var/tmp/pair-db
	make_same $db || return 1
	mkfifo in
	sqlite3 -init /dev/null $db < in 2>&1 | cat > out &
	exec 8> in
	echo "create table t(n); insert into t values (1), (2); select 'sum', sum(n) from t;" >&8
	until_true has out "sum|3" && p=$(pgrep -n -x sqlite3) || return 1
	base64 -w0 < $db | "$here/peer.py" $peer 4468 "base64 -d > $db" || return 1
	mkfifo in.2
	"$ghost" migrate --stdio forward "$p" $peer < in.2 > out.2 2> err &
	exec 9> in.2
	until_true gone "$p" &&
		echo "insert into t values (39); select 'sum', sum(n) from t;" >&9 &&
		until_true has out.2 "sum|42" && echo ".exit" >&9 && wait $! && exec 9>&- 8>&- &&
		[ "$(sqlite3 $db 'select sum(n) from t')" = 3 ] &&
		[ "$(there "sqlite3 $db 'select sum(n) from t'")" = 42 ]
}

# Writes MB of its memory again and again, and not the rest of what it has; each round's words must
# be those of one round
cat > writer.py <<- 'END'
	import array, sys
	n = int(sys.argv[1]) << 17
	all = int(sys.argv[2]) << 17 if len(sys.argv) > 2 else n
	memory = array.array("Q", range(512)) * (all // 512)
	rest = sum(memory[n::4099])
	block = 1 << 16
	round = 0
	print("ready", flush=True)
	while True:
	    round += 1
	    words = array.array("Q", [round]) * block
	    for i in range(0, n, block):
	        memory[i:i + block] = words
	    if sum(memory[:n:4099]) != round * len(memory[:n:4099]) or sum(memory[n::4099]) != rest:
	        print("wrong", round, flush=True)
	        break
	    with open("/tmp/ghost-pair/rounds", "w") as f:
	        print(round, file=f)
END

# written_memory_goes "MB [OF-MB]" MIGRATE-OPTION...
written_memory_goes()
{
	local sizes=$1
	shift
	there ": > $work/rounds"
	# shellcheck disable=SC2086
	start $python writer.py $sizes
	until_true has out ready && until_true test -s rounds &&
		to_peer "$p" --stdio $work/result "$@" && until_true gone "$p" &&
		until_true there "test -s $work/rounds" &&
		there "sleep 2; kill -0 $c && ! grep -q wrong $work/result
			r=\$?; kill -KILL $c; exit \$r"
}

written_memory_arrives_whole() { written_memory_goes "$megabytes"; }

memory_goes_ahead()
{
	written_memory_goes "$((ahead / 32)) $ahead" -v --max-downtime 50 && said "memory was sent"
}

slow_network_is_borne()
{
	local ok=0
	tc qdisc add dev pair0 root netem delay 20ms loss 2% &&
		there "tc qdisc add dev pair0 root netem delay 20ms loss 2%" || return 1
	empty_steps && start $python count.py || return 1
	until_true stepped 5 && to_peer "$p" -q && until_true has_there steps "[0-9]* [0-9]*" &&
		from_peer "$c" -q && kill -KILL "$c" && ok=1
	tc qdisc del dev pair0 root
	there "tc qdisc del dev pair0 root"
	[ $ok = 1 ]
}

# Where it is when the link is cut is not known beforehand: one runs, or it is held and says so
cut_link_leaves_one()
{
	local i at code held=0 stayed=0 moved=0
	for ((i = 1; i <= cuts; i++)); do
		at=$((i * 8 / cuts))
		rm -f out
		there ": > $work/rounds"
		start $python writer.py 32
		until_true has out ready || return 1
		g_any migrate --patience 2 "$p" $peer &
		sleep "$((at / 3)).$((at % 3 * 3))"
		ip link set dev pair0 down
		wait $!
		code=$?
		sleep 3
		ip link set dev pair0 up
		ip addr add 10.77.0.1/24 dev pair0 2> /dev/null
		until_true there true || return 1
		case $code in
		0)	moved=$((moved + 1)); gone "$p" || return 1 ;;
		76)	held=$((held + 1))
			until_true resolved || return 1 ;;
		*)	stayed=$((stayed + 1)) ;;
		esac
		# Exactly one
		if ! until_true one_is_alive; then
			note "$(alive) live copies after exit code $code"
			return 1
		fi
		kill -KILL "$p" 2> /dev/null
		there "pkill -KILL -f [w]riter.py"
		wait 2> /dev/null
	done
	note "link cut: $moved moved, $held held, $stayed stayed"
}

g_any() { "$ghost" "$@" 2> err; }
resolved() { g_any migrate --resolve "$p" $peer; }
one_is_alive() { [ "$(alive)" = 1 ]; }
alive()
{
	local n=0
	gone "$p" || n=1
	there "pgrep -f [w]riter.py > /dev/null" && n=$((n + 1))
	echo $n
}

refused_it_runs_on() # REASON
{
	local steps
	start $python count.py
	until_true stepped 1 && g 65 migrate "$p" $peer &&
		said "destination: $1" && said "it runs on here" &&
		steps=$(wc -l < steps) && until_true stepped $((steps + 10)) && kill -KILL "$p"
}

another_kernel_is_refused() { refused_it_runs_on "vDSO: of another kernel"; }
lesser_cpu_is_refused() { refused_it_runs_on "CPU: no "; }

goes_to_a_greater_cpu()
{
	empty_steps && "$here/peer.py" $peer 4468 "cat > $work/count.py" < count.py || return 1
	p=$(there "cd $work && (setsid $python count.py > /dev/null 2>&1 < /dev/null & echo \$!)")
	until_true there "test -s $work/steps" && from_peer "$p" && until_true stepped 10 &&
		kill -KILL "$c"
}

tests=(
	"Gram-Schmidt goes to another machine and has its result there" gram_schmidt_goes_there
	"Threads count on without a loss, $rounds times there and back" counts_on_without_a_loss
	"sqlite3 goes on with the database of the other machine" sqlite_goes_on
	"$megabytes MB that are written all the time arrive whole" written_memory_arrives_whole
	"$ahead MB of which a part is written all the time can go ahead" memory_goes_ahead
	"A slow network that loses packets is borne" slow_network_is_borne
	"A link that is cut leaves exactly one copy" cut_link_leaves_one
)
with_avx() { grep -c -w avx /proc/cpuinfo; }
if [ "$(there uname -r)" != "$(uname -r)" ]; then
	tests=("Another kernel is refused by name, and nothing stops" another_kernel_is_refused)
elif [ "$(there "$(declare -f with_avx); with_avx")" != "$(with_avx)" ]; then
	tests=(
		"A CPU with less is refused by name, and nothing stops" lesser_cpu_is_refused
		"A process goes to a CPU that has more" goes_to_a_greater_cpu
	)
fi
run_tests
exit $failed
