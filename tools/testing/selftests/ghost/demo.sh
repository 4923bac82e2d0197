#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demonstration: programs are taken out in the middle of their work and put back.
#
#	demo.sh first DIR		take them out, put them back from memory and disk
#	demo.sh after-reboot DIR	put them back from the images that "first" left in DIR
#	demo.sh migrate DIR		let them go to another machine (see scripts/guest-pair)
#
# DIR is on a disk that survives the reboot. Two programs: Modified Gram-Schmidt (mgs.c) of
# different sizes, and python3 with a program that knows nothing of all this. All results must be
# those of undisturbed runs. Prints a table of sizes and times, and in the end
#
#	demo: N results, all identical

set -u
here=$(cd "$(dirname "$0")" && pwd)
phase=${1:-}
dir=${2:-}
sizes=${GHOST_DEMO_SIZES:-600 800 1000 1200}
copies=${GHOST_DEMO_COPIES:-3}
ghost=${GHOST:-$(command -v ghost)}
python=/usr/bin/python3
results=0
wrong=0

die()
{
	echo "demo: $*" >&2
	exit 1
}

say()
{
	printf '\n== %s\n' "$*"
}

# Is the output in file $2 what the undisturbed run $1 said?
compare()
{
	results=$((results + 1))
	if cmp -s "$1" "$2"; then
		printf '   %-44s identical\n' "$3"
	else
		printf '   %-44s DIFFERENT\n' "$3"
		diff "$1" "$2" | head -n 5
		wrong=$((wrong + 1))
	fi
}

now_ms()
{
	local t=$EPOCHREALTIME
	echo $((${t/./} / 1000))
}

rss_kb()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

# start NAME COMMAND...: in the background; its output goes through a pipe to NAME.out, so that
# the other end of it lies outside of the image. Sets pid and cat.
start()
{
	local name=$1
	shift
	rm -f "$name.fifo"
	mkfifo "$name.fifo" || die "cannot make $name.fifo"
	cat "$name.fifo" > "$name.out" &
	cat=$!
	"$@" < /dev/null > "$name.fifo" &
	pid=$!
}

# Run it undisturbed: NAME.ref; sets took (ms)
reference()
{
	local name=$1 begin
	shift
	begin=$(now_ms)
	"$@" < /dev/null > "$name.ref" || die "$name fails by itself"
	took=$(($(now_ms) - begin))
	printf '   undisturbed: %s (%d ms)\n' "$(tail -n 1 "$name.ref")" "$took"
}

# resumed NAME OUTPUT WHAT: the output of a copy; what the original had printed before its
# checkpoint is not printed again
resumed()
{
	head -c "-$(stat -c %s "$2")" "$1.ref" > "$1.whole"
	cat "$2" >> "$1.whole"
	compare "$1.ref" "$1.whole" "$3"
}

# demonstrate NAME COMMAND...; sets row: what it cost
demonstrate()
{
	local name=$1 line i rss image stop out in disk_stop disk_out disk_in
	shift
	reference "$name" "$@"
	start "$name" "$@"
	# Early enough for it to be there still when the image is on the disk
	sleep "$(printf '%d.%03d' $((took / 3 / 1000)) $((took / 3 % 1000)))"
	rss=$(rss_kb $pid)

	line=$("$ghost" checkpoint -v --sync $pid -o "$name.img" 2>&1) ||
		die "$name cannot be checkpointed: $line"
	image=$(($(stat -c %s "$name.img") / 1024))
	printf '   to disk, while it runs on: %s, %d KB\n' "$name.img" $image
	# ... stopped for S.SSS ms of E.EEE ms
	read -r disk_stop disk_out <<< "$(sed -n \
		's/.*stopped for \([0-9.]*\) ms of \([0-9.]*\) ms$/\1 \2/p' <<< "$line" | tr -d .)"
	[ -n "$disk_out" ] || die "what a checkpoint cost is not in: $line"

	line=$("$here/snap" $pid "$copies" "$name.copy") || die "$name: no copies from memory"
	# bytes B pages P stop_us S export_us E import_us I
	read -r _ _ _ _ _ stop _ out _ in <<< "$line"
	wait $pid || die "$name does not end well"
	wait $cat
	compare "$name.ref" "$name.out" "the original"
	for i in $(seq "$copies"); do
		resumed "$name" "$name.copy.$i" "copy $i from memory"
	done

	line=$("$here/snap" 0 1 "$name.disk" "$name.img" < /dev/null) ||
		die "$name: no copy from disk"
	read -r _ _ _ _ _ _ _ _ _ disk_in <<< "$line"
	resumed "$name" "$name.disk.1" "copy from disk"
	restart "$name"
	row="${rss:--} $image $stop $out $in $((10#$disk_stop)) $((10#$disk_out)) $disk_in"
}

# All that the image NAME.img can do
restart()
{
	local name=$1 i begin took
	for i in 1 2; do
		begin=$(now_ms)
		"$ghost" restart -q "$name.img" < /dev/null > "$name.again" ||
			die "$name cannot be restarted"
		took=$(($(now_ms) - begin))
		resumed "$name" "$name.again" "restart $i from disk ($took ms to its end)"
	done
}

write_primes()
{
	cat > primes.py <<- 'END'
		# Nothing here knows that it will be interrupted.
		import hashlib

		primes = []
		n = 2
		digest = hashlib.sha256()
		while len(primes) < 3500:
		    if all(n % p for p in primes):
		        primes.append(n)
		        digest.update(str(n).encode())
		        if len(primes) % 500 == 0:
		            print(len(primes), "primes, the last is", n, flush=True)
		    n += 1
		print("sha256 of all:", digest.hexdigest())
	END
}

first()
{
	local n row format table=()
	rm -rf "${dir:?}"/*.img
	# On the disk that stays: an image remembers which files it needs
	cp "$here/mgs" . || die "there is no mgs"
	write_primes
	for n in $sizes; do
		say "Modified Gram-Schmidt, $n x $n"
		demonstrate "mgs-$n" ./mgs "$n"
		table+=("mgs $n $row")
	done
	say "python3 primes.py"
	demonstrate python "$python" primes.py
	table+=("python - $row")

	say "What it cost"
	printf '%-7s  %6s  %8s  %8s   %-28s   %-28s\n' \
		program matrix resident image "memory ghost (us)" "image on disk (us)"
	format='%-7s  %6s  %8s  %8s   %8s  %8s  %8s   %8s  %8s  %8s\n'
	# shellcheck disable=SC2059
	printf "$format" "" size memory size stop export import stop export import
	# shellcheck disable=SC2059
	printf "$format" "" "" KB KB "time" "time" "time" "time" "time" "time"
	for row in "${table[@]}"; do
		# shellcheck disable=SC2059,SC2086
		printf "$format" $row
	done
	echo "Stop time: the process stood still. Export time: until the ghost was kept, or the"
	echo "image on stable storage. Import time: until the copy was there; the image was cached."
}

# move NAME COMMAND...: to the other machine in the middle of its work; sets row
move()
{
	local name=$1 line rss stop total bytes us
	shift
	reference "$name" "$@"
	start "$name" "$@"
	disown $pid			# the shell is not to say that it was killed
	sleep "$(printf '%d.%03d' $((took / 3 / 1000)) $((took / 3 % 1000)))"
	rss=$(rss_kb $pid)
	# Its standard output becomes that of this command, which ends when it ends there
	"$ghost" migrate -v --stdio forward $pid $peer < /dev/null > "$name.there" 2> "$name.say" ||
		die "$name cannot go to the other machine: $(cat "$name.say")"
	wait $cat			# it has ended here
	cat "$name.out" "$name.there" > "$name.whole"
	compare "$name.ref" "$name.whole" "on this machine and then on the other"
	# ... T threads, P pages, B bytes, stopped for S.SSS ms of E.EEE ms
	line=$(sed -nE \
		's/.*, ([0-9]+) bytes, stopped for ([0-9.]+) ms of ([0-9.]+) ms$/\1 \2 \3/p' \
		"$name.say" | tr -d .)
	read -r bytes stop total <<< "$line"
	[ -n "$total" ] || die "what it cost is not in: $(cat "$name.say")"
	read -r _ us < <("$here/wire" send $peer 4501 "$bytes") || die "no plain stream"
	row="${rss:--} $((bytes / 1024)) $((10#$stop)) $((10#$total)) $us"
}

migrate()
{
	local n row format table=()
	. "$here/pair-lib.sh"
	write_primes
	begin_pair "$here/mgs" "$dir/primes.py" || die "the other machine is not there"
	there "cd $here && (setsid ./wire sink 4501 > /dev/null 2>&1 < /dev/null &)"
	for n in $sizes; do
		say "Modified Gram-Schmidt, $n x $n, goes to another machine"
		move "mgs-$n" ./mgs "$n"
		table+=("mgs $n $row")
	done
	say "python3 primes.py goes to another machine"
	move python "$python" primes.py
	table+=("python - $row")

	say "What it cost, through TLS, beside a plain TCP stream of as many bytes"
	format='%-7s  %6s  %8s  %8s  %10s  %10s  %10s\n'
	# shellcheck disable=SC2059
	printf "$format" program matrix resident image downtime total stream
	# shellcheck disable=SC2059
	printf "$format" "" size KB KB "(us)" "(us)" "(us)"
	for row in "${table[@]}"; do
		# shellcheck disable=SC2059,SC2086
		printf "$format" $row
	done
	end_pair
}

after_reboot()
{
	local img
	for img in *.img; do
		[ -e "$img" ] || die "no image in $dir; run: demo.sh first $dir"
		say "$img, made before the reboot"
		restart "${img%.img}"
	done
}

[ -n "$dir" ] && mkdir -p "$dir" && cd "$dir" || die "usage: $0 first|after-reboot|migrate DIR"
[ -x "$ghost" ] || die "no ghost command (tools/ghost); set GHOST to it"
case $phase in
first)		first ;;
after-reboot)	after_reboot ;;
migrate)	migrate ;;
*)		die "usage: $0 first|after-reboot|migrate DIR" ;;
esac
echo
[ $wrong = 0 ] || die "$wrong of $results results differ"
echo "demo: $results results, all identical"
sync
