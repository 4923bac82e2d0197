#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Real programs, which nobody wrote for this, are checkpointed at random moments and
# restarted; what they produce must be what they produce undisturbed, to the last byte.
#
# Each round starts the program anew and checkpoints it with --kill, after a random part of the
# time that it takes. What it had written by then is kept aside: a file that is open for writing
# must stand as it did at the checkpoint before each restart, and to put it back is up to who
# restarts. Then it is restarted GHOST_RESTARTS (2) times.
#
# A checkpoint may be refused (a child runs, a lock is held): the reason is printed, the program
# must go on as if nothing had happened, and another moment is tried. A program that is always
# refused fails, unless that is what is expected of it (expected()): then it is skipped with
# the reason.
#
#	GHOST_REPEAT=N		rounds for each program (3)
#	GHOST_RESTARTS=N	restarts in each round (2)
#	GHOST_CC1_FUNCTIONS=N	how much cc1 has to compile (40)
#	GHOST_SEED=N		repeat a run
#	GHOST_PROGRAMS="..."	only these

set -u
ghost=${GHOST:-$(command -v ghost)}
repeat=${GHOST_REPEAT:-3}
restarts=${GHOST_RESTARTS:-2}
seed=${GHOST_SEED:-$((RANDOM * 32768 + RANDOM))}
programs=${GHOST_PROGRAMS:-python3 python3_threads perl bash sqlite3_memory sqlite3_file gzip cc1}
python=/usr/bin/python3
limit=${GHOST_TIMEOUT:-300}
functions=${GHOST_CC1_FUNCTIONS:-40}
number=0
failed=0
RANDOM=$seed

echo "TAP version 13"
if [ ! -x "$ghost" ] || [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP wanted: the command ghost (tools/ghost), root"
	exit 4
fi
# The runner of the tests has pipes of its own open; a program here has what a shell gives it
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
base=$(mktemp -d "${GHOST_TEST_DIR:-/var/tmp}/ghost-programs-XXXXXX") || exit 1
trap 'rm -rf "$base"' EXIT
echo "1..$(wc -w <<< "$programs")"
echo "# seed $seed (repeat with GHOST_SEED=$seed), $repeat rounds, $restarts restarts each"

now_ms()
{
	local t=$EPOCHREALTIME
	echo $((${t/./} / 1000))
}

nap()
{
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

#
# Programs. prepare_X makes what X reads, in the current directory; command_X sets cmd, and
# files: what X writes, beside its standard output.
#

prepare_python3()
{
	cat > work.py <<- 'END'
		import hashlib, json, random, re, zlib

		random.seed(1)
		words = ["".join(random.choice("abcdefghij") for _ in range(6))
		         for _ in range(3000)]
		table = {}
		for n in range(10):
		    for w in words:
		        table[w] = table.get(w, 0) * 31 % 1000003 + n
		    text = json.dumps(table, sort_keys=True)
		    found = re.findall(r'"a[a-e]+[^"]*": (\d+)', text)
		    crc = zlib.crc32(text.encode())
		    print(n, len(found), sum(map(int, found)), crc, flush=True)
		print(hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest())
	END
}
command_python3() { cmd=("$python" work.py); }

prepare_python3_threads()
{
	cat > work.py <<- 'END'
		import hashlib, queue, threading, time

		todo, done = queue.Queue(8), queue.Queue()

		def worker():
		    while True:
		        n = todo.get()
		        if n is None:
		            break
		        h = b"%d" % n
		        for i in range(900):
		            h = hashlib.sha256(h * 20).digest()
		        if n % 7 == 0:
		            time.sleep(0.001)
		        done.put((n, h.hex()))

		threads = [threading.Thread(target=worker) for _ in range(4)]
		for t in threads:
		    t.start()
		for n in range(80):
		    todo.put(n)
		for t in threads:
		    todo.put(None)
		for t in threads:
		    t.join()
		results = sorted(done.queue)
		assert [n for n, _ in results] == list(range(80))
		print(hashlib.sha256("".join(h for _, h in results).encode()).hexdigest())
	END
}
command_python3_threads() { cmd=("$python" work.py); }

prepare_perl()
{
	cat > work.pl <<- 'END'
		use strict;
		$| = 1;
		my (%count, $text);
		my $x = 1;
		for my $round (1 .. 6) {
		    for (1 .. 4000) {
		        $x = ($x * 1103515245 + 12345) % 2147483648;
		        $count{sprintf "%04x", $x % 65521}++;
		        $text .= chr(97 + $x % 26);
		    }
		    my $n = () = $text =~ /a.b|[xyz]{3}|q(?=u)/g;
		    $text =~ s/(.)(.)/$2$1/g;
		    print "$round: $n ", scalar(keys %count), " ", unpack("%32C*", $text), "\n";
		}
		print join(",", map { "$_=$count{$_}" } (sort keys %count)[0 .. 50]), "\n";
	END
}
command_perl() { cmd=(perl work.pl); }

prepare_bash()
{
	cat > work.sh <<- 'END'
		declare -A seen
		declare -i x=7 sum=0 i
		for ((i = 0; i < 6000; i++)); do
		    x=$(((x * 1103515245 + 12345) & 0x7fffffff))
		    seen[$((x % 997))]+=.
		    sum+=${#seen[$((x % 997))]}
		    ((i % 600)) || echo "$i $sum ${#seen[@]}"
		done
		while read -r line; do
		    [[ $line =~ ([a-z]+)\(\) ]] && echo "${BASH_REMATCH[1]}"
		done < "$0"
		f()
		{
		    (($1 < 2)) && { r=$1; return; }
		    f $(($1 - 1))
		    local a=$r
		    f $(($1 - 2))
		    r=$((a + r))
		}
		f 12
		echo "$sum $r ${seen[3]}"
	END
}
command_bash() { cmd=(bash work.sh); }

prepare_sqlite3_memory()
{
	cat > work.sql <<- 'END'
		create table t(a integer primary key, b integer, c text);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 6000)
		    insert into t select i, (i * 7919) % 10007, hex(i * 65537) from n;
		create index ib on t(b);
		select count(*), sum(b), max(c) from t;
		update t set c = c || b where b % 3 = 0;
		select b % 10, count(*), group_concat(substr(c, 1, 3), '') from
		    (select * from t order by b limit 200) group by 1;
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
		    select sum((i * i) % 1009) from n;
		delete from t where b % 7 = 1;
		select count(*), sum(length(c)), sum(b) from t;
		select x.b, y.c from t x join t y on x.a = y.b order by x.b, y.c limit 20;
	END
}
command_sqlite3_memory() { cmd=(sqlite3 -init /dev/null -batch :memory: ".read work.sql"); }

prepare_sqlite3_file()
{
	{
		echo "create table if not exists t(a integer primary key, b text);"
		for i in $(seq 1 40); do
			echo "insert into t select $i * 100 + value, hex(value * $i)
				from json_each('[$(seq -s, 1 99)]');"
			echo "with recursive n(i) as
				(select 1 union all select i + 1 from n where i < 3000)
				select $i, sum((i * $i) % 1009) from n;"
		done
		echo "select count(*), sum(a), max(b) from t;"
	} > work.sql
}
command_sqlite3_file()
{
	cmd=(sqlite3 -init /dev/null -batch data.db ".read work.sql")
	files="data.db"
}

prepare_gzip()
{
	"$python" -c '
import random
random.seed(3)
words = ["".join(random.choice("etaoinshrdlu") for _ in range(random.randint(2, 9)))
         for _ in range(4000)]
lines = [" ".join(random.choice(words) for _ in range(9)) for _ in range(20000)]
for _ in range(12):
    random.shuffle(lines)
    print(*lines, sep="\n")' > big
}
command_gzip()
{
	cmd=(gzip -9 -k -n -f big)
	files="big.gz"
}

prepare_cc1()
{
	"$python" -c '
import sys
for i in range(int(sys.argv[1])):
    print(f"""
struct s{i} {{ int a, b[{i % 7 + 3}]; double d; }};
int f{i}(struct s{i} *p, int n)
{{
	int i, x = {i};
	for (i = 0; i < n; i++) {{
		x = x * 31 + p[i].a;
		switch (x % {i % 9 + 3}) {{
		case 0: p[i].b[i % 3] += x; break;
		case 1: p[i].d *= 1.5 + x; break;
		case 2: x ^= p[i].b[1] << {i % 13}; break;
		default: x -= n;
		}}
	}}
	return x;
}}""")' "$functions" > work.c
	cc1=$(gcc -print-prog-name=cc1 2> /dev/null)
	[ -x "$cc1" ] || reason="no cc1"
}
command_cc1()
{
	cmd=("$cc1" -quiet -O2 work.c -o work.s)
	files="work.s"
}

#
# One program
#

# start: as pid, its output through a pipe into the file out, by cat
start()
{
	rm -f fifo out
	mkfifo fifo
	cat fifo > out &
	cat=$!
	"${cmd[@]}" < /dev/null > fifo 2> err &
	pid=$!
}

# Files that the program writes: as they stand now, or as they stood
keep_files()
{
	local f
	rm -rf kept
	mkdir kept
	for f in $files; do
		[ -e "$f" ] && cp -p "$f" kept/
	done
	return 0
}

put_files_back()
{
	local f
	for f in $files; do
		# The same inode: the image knows it
		[ -e "kept/$f" ] && cat "kept/$f" > "$f"
		rm -f "$f"-journal
	done
	return 0
}

remove_files()
{
	local f
	for f in $files; do
		rm -f "$f" "$f"-journal
	done
}

# same OUTPUT WHAT: this output, and the files as they are now, are those of the reference
same()
{
	local f
	if ! cmp -s ref "$1"; then
		echo "# $program: $2: the output differs:"
		diff ref "$1" | head -n 5 | sed 's/^/# /'
		return 1
	fi
	for f in $files; do
		if ! cmp "ref-files/$f" "$f" > /dev/null; then
			echo "# $program: $2: $f differs"
			return 1
		fi
	done
}

refusals=
give_reason()
{
	local line
	line=$(head -n 1 refusal)
	refusals+="$line"$'\n'
}

# May the program be refused for this reason at whatever moment?
expected()
{
	case $program:$1 in
	sqlite3_file:*lock*)	return 0 ;;	# in a transaction
	esac
	return 1
}

# It was never checkpointed. Sets reason; 4: as expected, 1: not so
always_refused()
{
	local line
	while read -r line; do
		reason="always refused: $line"
		expected "$line" && continue
		echo "# $program: $reason"
		return 1
	done < <(grep . <<< "$refusals")
	return 4
}

# One round; 0: good, 1: bad, 2: the checkpoint was refused
round()
{
	local moment i status
	remove_files
	start
	moment=$((took * (RANDOM % 90 + 3) / 100))
	nap $moment
	"$ghost" checkpoint -q $pid -o image --kill 2> refusal
	status=$?
	if [ $status != 0 ]; then
		give_reason
		# It goes on as if nothing had happened, or has just come to its end
		wait $pid
		status=$?
		wait $cat
		if [ $status != 0 ]; then
			echo "# $program: after a refused checkpoint it ends with status $status"
			return 1
		fi
		same out "after a refused checkpoint" || return 1
		return 2
	fi
	wait $pid
	status=$?
	wait $cat
	if [ $status != 137 ]; then
		echo "# $program: status $status instead of 137 after checkpoint --kill"
		return 1
	fi
	keep_files
	for i in $(seq "$restarts"); do
		put_files_back
		timeout "$limit" "$ghost" restart -q image < /dev/null > rest 2> err
		status=$?
		cat out rest > whole
		if [ $status != 0 ]; then
			echo "# $program: restart $i of a checkpoint after $moment of $took ms" \
				"ends with status $status: $(head -n 2 err)"
			return 1
		fi
		same whole "restart $i of a checkpoint after $moment of $took ms" || return 1
	done
	return 0
}

# Sets result: ok, "ok ... # SKIP", or not ok
try_program()
{
	local begin done=0 refused=0 tries=0 most
	files=
	reason=
	cmd=()
	refusals=
	mkdir "$base/$program" && cd "$base/$program" || return 1
	"prepare_$program" || return 1
	[ -z "$reason" ] && "command_$program"
	if [ -n "$reason" ] || ! type -P "${cmd[0]}" > /dev/null; then
		reason=${reason:-no ${cmd[0]}}
		return 4
	fi
	begin=$(now_ms)
	start
	wait $pid || { echo "# $program fails by itself: $(head -n 3 err)"; return 1; }
	took=$(($(now_ms) - begin))
	wait $cat
	mv out ref
	mkdir ref-files
	for f in $files; do
		cp "$f" ref-files/
	done
	most=30
	while [ $done -lt "$repeat" ] && [ $tries -lt $most ]; do
		tries=$((tries + 1))
		round
		case $? in
		0)	done=$((done + 1))
			most=$((repeat * 20)) ;;
		2)	refused=$((refused + 1)) ;;
		*)	return 1 ;;
		esac
	done
	echo "# $program: $took ms; $done checkpoints, $((done * restarts)) restarts," \
		"$refused refused or too late"
	sort <<< "$refusals" | sed 's/[0-9][0-9]*/N/g' | grep . | uniq -c | sed 's/^/#  /'
	if [ $done = 0 ]; then
		always_refused
		return
	fi
	if [ $done -lt "$repeat" ]; then
		echo "# $program: only $done of $repeat checkpoints in $tries tries"
		return 1
	fi
	return 0
}

for program in $programs; do
	number=$((number + 1))
	try_program
	case $? in
	0)	echo "ok $number $program" ;;
	4)	echo "ok $number $program # SKIP $reason" ;;
	*)	echo "not ok $number $program"
		failed=$((failed + 1)) ;;
	esac
	cd /
	rm -rf "${base:?}/$program"
done
echo "# Totals: $((number - failed)) of $number good, the skipped among them"
[ $failed = 0 ]
