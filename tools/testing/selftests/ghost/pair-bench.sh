#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pair-bench.sh [MB]: what a migration to another machine costs, beside a plain stream of the
# same bytes between the same two machines. As pair.sh it wants peer.py at 10.77.0.2; see
# scripts/guest-pair. Each figure is a line "bench NAME VALUE UNIT BOUND ok|short".

set -u
here=$(cd "$(dirname "$0")" && pwd)
mb=${1:-512}
runs=${GHOST_RUNS:-5}
cd "$(mktemp -d)" || exit 1
short=0
. "$here/pair-lib.sh"

# figure NAME VALUE BOUND: a ratio
figure()
{
	local verdict=ok
	awk "BEGIN { exit !($2 > $3) }" && verdict=short short=1
	printf 'bench %s %.3f ratio %s %s\n' "$1" "$2" "$3" $verdict
}

# lowest FILE, median FILE
lowest() { sort -n "$1" | head -n 1; }
median() { sort -n "$1" | sed -n "$(((runs + 1) / 2))p"; }
seconds() { awk "BEGIN { printf \"%.3f\", $1 / 1e6 }"; }

# measure NAME [-t] [PERCENT ROUNDS]: files NAME.stream, NAME.total, NAME.stop
measure()
{
	local name=$1 tls=${2:-} percent=${3:-0} rounds=${4:-0} i p us stop bytes ahead=0
	there "cd $here; (setsid ./wire $tls sink 4501 & setsid ./wire $tls import 4502 &) \
		> /dev/null 2>&1 < /dev/null"
	rm -f "$name".*
	for ((i = 0; i < runs; i++)); do
		mkfifo fill
		# Where it is must be there as well
		(cd / && exec "$here/wire" fill "$mb" "$percent" < /dev/null 2>&1) > fill &
		disown
		read -r _ < fill
		p=$(pgrep -n -x wire)
		read -r _ us _ stop _ bytes _ ahead < <(
			"$here/wire" $tls export $peer 4502 "$p" "$rounds") || return 1
		rm fill
		[ -n "$bytes" ] || return 1
		echo "$us" >> "$name.total"
		echo "$stop" >> "$name.stop"
		there "pkill -f 'wire fill'"
		read -r _ us < <("$here/wire" $tls send $peer 4501 "$bytes")
		echo "$us" >> "$name.stream"
	done
	there "pkill -x wire"
	echo "# $name: $bytes bytes, stream $(seconds "$(median "$name.stream")") s," \
		"downtime $(seconds "$(median "$name.stop")") s," \
		"total $(seconds "$(median "$name.total")") s (medians of $runs)," \
		"$ahead rounds before the stop"
}

# ratios NAME BOUND_DOWNTIME BOUND_TOTAL: 20 ms of the downtime are not counted
ratios()
{
	local how stream stop total
	for how in lowest median; do
		stream=$($how "$1.stream") stop=$($how "$1.stop") total=$($how "$1.total")
		figure "$1-downtime-$how" "$(awk "BEGIN { print ($stop - 20000) / $stream }")" "$2"
		figure "$1-total-$how" "$(awk "BEGIN { print $total / $stream }")" "$3"
	done
}

measure migrate && ratios migrate 1.15 1.2 || exit 1
measure migrate-tls -t && ratios migrate-tls 1.3 1.3 || exit 1
# With five percent written each second: the downtime beside that of all at once
measure migrate-ahead "" 5 10 || exit 1
for how in lowest median; do
	figure "migrate-ahead-downtime-$how" \
		"$(awk "BEGIN { print $($how migrate-ahead.stop) / $($how migrate.stop) }")" 0.15
done
exit $short
