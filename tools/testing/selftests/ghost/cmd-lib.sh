# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of commands have in common; they source it. They run in a directory of their
# own. GHOST names the command ghost(1) if it is not in the path.

set -u
ksft_skip=4
ghost=${GHOST:-$(command -v ghost)}
python=/usr/bin/python3
number=0
failed=0

# The runner of the tests has pipes of its own open; a program here has what a shell gives it
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

echo "TAP version 13"
if [ -z "$ghost" ] || [ ! -x "$python" ] || [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP wanted: ghost (tools/ghost), $python, root"
	exit $ksft_skip
fi

dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
trap 'clean_up; at_end; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
img=$dir/image

# Adds up the numbers that it reads and prints the sum each time; then waits if told so.
cat > sum.py <<- 'END'
	import os, signal, sys, time
	def on_usr1(*_):
	    print("usr1", flush=True)
	signal.signal(signal.SIGUSR1, on_usr1)
	with open(sys.argv[1], "w") as f:
	    print(os.getpid(), file=f)
	total = 0
	print("ready", flush=True)
	for line in sys.stdin:
	    word, _, arg = line.strip().partition(" ")
	    if word == "exit":
	        sys.exit(int(arg))
	    elif word == "raise":
	        if int(arg) != signal.SIGKILL:
	            signal.signal(int(arg), signal.SIG_DFL)
	        os.kill(os.getpid(), int(arg))
	    elif word == "close":
	        os.close(1)
	        time.sleep(float(arg))
	        os._exit(9)
	    elif word == "pid":
	        print("pid", os.getpid(), os.getsid(0), os.getppid(), flush=True)
	    elif word == "write":
	        os.write(int(arg), b"written\n")
	    else:
	        total += int(word)
	        print(total, flush=True)
	time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
END

# Computes for a while, and at least until the file "in.enough" is there: how fast it is does not
# matter. The result depends on every step.
cat > compute.py <<- 'END'
	import os, sys
	with open(sys.argv[1], "w") as f:
	    print(os.getpid(), file=f)
	x = 1
	for i in range(int(sys.argv[2])):
	    x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
	while not os.path.exists("in.enough"):
	    pass
	print("%016x" % x)
	sys.exit(37)
END

# What a test does besides, when all is over
at_end() { :; }

note() { echo "# $*"; }

t() # NAME FUNCTION
{
	number=$((number + 1))
	if "$2"; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		failed=1
	fi
	clean_up
}

# run_tests: those in the array "tests", by name and function; GHOST_ONLY is a regular expression
run_tests()
{
	local nr
	echo "1..$((${#tests[@]} / 2))"
	for ((nr = 0; nr < ${#tests[@]}; nr += 2)); do
		[[ ${tests[nr]} =~ ${GHOST_ONLY-} ]] || continue
		t "${tests[nr]}" "${tests[nr + 1]}"
	done
}

clean_up()
{
	exec 5>&- 6>&- 8>&- 9>&-
	[ -s pid ] && kill -KILL "$(cat pid)" 2> /dev/null
	# shellcheck disable=SC2046
	kill -KILL $(jobs -p) 2> /dev/null
	wait 2> /dev/null
	rm -rf err image in left out pid tty.log in.* out.* pid.*
}

# What is asked again and again starts no program: that takes long on a debug kernel
mkfifo never
pause() { read -r -t "$1" <> "$dir/never"; }

# until_true COMMAND...: wait until it succeeds
until_true()
{
	local i
	for i in {1..300}; do
		"$@" && return
		pause 0.1
	done
	note "waited in vain for: $*"
	return 1
}

# has FILE LINE
has()
{
	local line
	[ -e "$1" ] || return
	while IFS= read -r line; do
		[ "$line" = "$2" ] && return
	done < "$1"
	return 1
}
said() { grep -qF -- "$1" err && return; note "not said: $1; but: $(head -c 300 err)"; return 1; }
gone() { ! kill -0 "$1" 2> /dev/null; }
state_is()
{
	local key value _
	while read -r key value _; do
		[ "$key" != State: ] || { [ "$value" = "$2" ]; return; }
	done 2> /dev/null < "/proc/$1/status"
	return 1
}

# code WANT COMMAND...: run it and compare its exit code
code()
{
	local want=$1 got
	shift
	"$@"
	got=$?
	[ $got = "$want" ] && return
	note "exit code $got instead of $want: $* (line ${BASH_LINENO[*]:1:1})"
	[ -s err ] && note "$(head -c 300 err)"
	return 1
}

# was WANT CODE: compare the exit code of something that has ended
was() { code "$1" ended "$2"; }
ended() { return "$1"; }

g() # WANT ARGUMENT...: run ghost
{
	local want=$1
	shift
	code "$want" "$ghost" "$@" 2> err
}

# sum.py with pipes: what is written to descriptor 8 is read by it, it writes to "out".
start_sum()
{
	mkfifo in
	$python sum.py pid < in | cat > out &
	exec 8> in
	until_true has out ready && p=$(cat pid)
}

ask() { echo "$1" >&8; }
