#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command ghost(1), from tools/ghost, with programs that were not written for it.
# GHOST names it if it is not in the path.

. "$(dirname "$(readlink -f "$0")")/cmd-lib.sh"

at_end() { umount -q "$dir/small" 2> /dev/null; }

# Made of sum.py after it has summed up 1 and 2
sum_image() # OPTION...
{
	start_sum && ask 1 && ask 2 && until_true has out 3 &&
		g 0 checkpoint "$p" -o "$img" "$@"
}

kernel_is_ready()
{
	g 0 check > out && grep -q '^ready *true' out && g 0 check --json > out &&
		$python -c 'import json; assert json.load(open("out"))["ready"] is True'
}

process_can_be_carried()
{
	start_sum && g 0 check "$p" > out.check && grep -q "nothing is in the way" out.check &&
		g 0 check --json "$p" > out.check && $python - <<- 'END'
			import json
			r = json.load(open("out.check"))
			assert r["carried"] is True and not r["obstacles"], r
		END
}

obstacles_are_listed()
{
	$python -c 'import os, select, time
a, b = os.eventfd(0), select.epoll()
print(a, b.fileno(), flush=True); time.sleep(60)' > out &
	local p=$!
	until_true test -s out || return 1
	read -r a b < out
	g 69 check $p > out.check && grep -q "^fd $a: " out.check && grep -q "^fd $b: " out.check &&
		g 69 check --json $p > out.json && $python - "$a" "$b" <<- 'END' &&
			import json, sys
			r = json.load(open("out.json"))
			names = {o["object"]: o["reason"] for o in r["obstacles"]}
			assert not r["carried"], r
			assert all(names["fd " + fd] for fd in sys.argv[1:3]), r
		END
		g 69 checkpoint $p -o "$img" && said "fd $a: " && said "ghost check $p" &&
		[ ! -e "$img" ] && state_is $p S
}

result_is_the_same()
{
	local n=600000 p begin=${EPOCHREALTIME/./} some
	: > in.enough
	$python compute.py pid $n > out.1
	was 37 $? || return 1
	some=$(((${EPOCHREALTIME/./} - begin) / 4))
	rm -f pid in.enough
	$python compute.py pid $n | cat > out &
	until_true test -s pid && p=$(cat pid) &&
		sleep "$(printf '%d.%06d' $((some / 1000000)) $((some % 1000000)))" &&
		g 0 checkpoint "$p" -o "$img" && : > in.enough && wait && cmp out.1 out || return 1
	for i in 1 2; do
		"$ghost" restart "$img" > out.$((i + 1)) 2> err
		was 37 $? && cmp out.1 out.$((i + 1)) || return 1
	done
}

nothing_is_lost_or_done_twice()
{
	local p
	cat > lines.py <<- 'END'
		import itertools, os
		with open("pid", "w") as f:
		    print(os.getpid(), file=f)
		for i in itertools.count(1):
		    print(i, flush=True)
		    if i % 1000 == 0 and os.path.exists("in.enough"):
		        break
	END
	$python lines.py | cat > out.1 &
	until_true test -s out.1 && p=$(cat pid) && g 0 checkpoint "$p" -o "$img" --kill || return 1
	wait
	: > in.enough
	gone "$p" && "$ghost" restart "$img" 2> err | cat > out.2 || return 1
	[ -s out.2 ] && cat out.1 out.2 | cmp - <(seq "$(tail -n 1 out.2)")
}

exit_status_is_passed_on()
{
	sum_image --kill || return 1
	printf '4\nexit 5\n' | "$ghost" restart "$img" > out.2 2> err
	was 5 $? && [ "$(cat out.2)" = 7 ] || return 1
	printf 'exit 0\n' | code 0 "$ghost" restart "$img" 2> err
}

death_by_signal_is_passed_on()
{
	local s
	sum_image --kill || return 1
	for s in 15 9 11 2; do
		echo "raise $s" | "$ghost" restart "$img" > /dev/null 2> err
		was $((128 + s)) $? || return 1
	done
}

signals_are_passed_on()
{
	local q
	sum_image --kill && mkfifo in.2 || return 1
	"$ghost" restart "$img" < in.2 > out.2 2> err &
	q=$!
	exec 8> in.2
	ask 10 && until_true has out.2 13 && kill -USR1 $q && until_true has out.2 usr1 &&
		ask 10 && until_true has out.2 23 && kill -TERM $q && wait $q
	was 143 $?
}

stop_and_continue_are_passed_on()
{
	local q c
	sum_image --kill && mkfifo in.2 || return 1
	"$ghost" restart "$img" < in.2 > out.2 2> err &
	q=$!
	exec 8> in.2
	ask 10 && until_true has out.2 13 && c=$(pgrep -P $q) && kill -STOP "$c" &&
		until_true state_is "$c" T && until_true state_is $q T &&
		kill -CONT $q && until_true state_is "$c" S && ask 10 && until_true has out.2 23 &&
		kill -STOP $q && ask 10 && until_true has out.2 33 && kill -CONT $q &&
		ask "exit 3" && wait $q
	was 3 $?
}

pipes_end_when_the_program_closes_them()
{
	local q
	sum_image --kill && mkfifo in.2 out.fifo || return 1
	{ cat < out.fifo > out.2; echo > out.end; } &
	"$ghost" restart "$img" < in.2 > out.fifo 2> err &
	q=$!
	exec 8> in.2
	ask 10 && until_true has out.2 13 && ask "close 4" && until_true test -s out.end &&
		state_is $q S && wait $q
	was 9 $?
}

image_is_shown()
{
	sum_image && g 0 show "$img" > out.show && grep -q '^ *[0-9]* *vma .*\[.*\|/' out.show &&
		g 0 show --json --pages "$img" > out.json && $python - "$p" <<- 'END'
			import json, os, sys
			image = json.load(open("out.json"))
			records = image["records"]
			one = {r["kind"]: r for r in records}
			assert image["undamaged"] and records[-1]["kind"] == "end"
			assert one["process"]["pid"] == int(sys.argv[1])
			assert one["thread"]["comm"].startswith("python3")
			fds = {r["fd"]: r for r in records if r["kind"] == "fd"}
			files = {r["ref"]: r for r in records if r["kind"] == "file"}
			assert files[fds[0]["file"]]["type"] == "outside"
			assert files[fds[1]["file"]]["type"] == "outside"
			exe = files[one["mm"]["exe"]]["name"]
			assert exe == os.path.realpath("/usr/bin/python3"), exe
			pages = sum(r["nr_pages"] for r in records if r["kind"] == "pages")
			assert pages == one["end"]["pages"] > 100
			mapped = set()
			for r in records:
			    if r["kind"] == "vma":
			        start, end = int(r["start"], 16), int(r["end"], 16)
			        mapped.update(range(start, min(end, start + (1 << 30)), 4096))
			for r in records:
			    for run in r["runs"] if r["kind"] == "pages" else []:
			        start = int(run["start"], 16)
			        end = start + 4096 * run["pages"]
			        assert mapped.issuperset(range(start, end, 4096)), run
		END
}

image_goes_through_a_pipe()
{
	start_sum && ask 5 && until_true has out 5 || return 1
	"$ghost" checkpoint "$p" -o - --kill 2> err | cat > "$img"
	was 0 "${PIPESTATUS[0]}" && g 0 show "$img" > /dev/null &&
		cat "$img" | g 0 show - > /dev/null || return 1
	echo 6 | "$ghost" restart "$img" > out.2 2> err
	was 0 $? && [ "$(cat out.2)" = 11 ]
}

old_pid_is_had_back()
{
	sum_image --kill && until_true gone "$p" && wait
	echo pid | "$ghost" restart "$img" --pid > out.2 2> err
	was 0 $? && grep -q "^pid $p " out.2
}

pid_in_use_is_refused()
{
	sum_image || return 1
	g 75 restart "$img" --pid < /dev/null && said "without --pid" &&
		ask 4 && until_true has out 7
}

detached_program_is_alone()
{
	local q
	sum_image --kill && mkfifo in.2 || return 1
	exec 8<> in.2
	q=$("$ghost" restart -d "$img" --fd 0=in.2 --fd 1=out.2 2> err)
	was 0 $? && echo "$q" > pid && ask pid && until_true grep -qs "^pid $q" out.2 || return 1
	read -r _ _ sid parent < <(grep "^pid" out.2)
	[ "$sid" != "$(ps -o sid= -p $$ | tr -d ' ')" ] && [ "$parent" = 1 ] &&
		[ "$(readlink "/proc/$q/fd/2")" = /dev/null ] && ask 10 && until_true has out.2 13
}

restarted_stopped_it_waits()
{
	local q
	sum_image --kill && mkfifo in.2 || return 1
	exec 8<> in.2
	q=$("$ghost" restart -d "$img" --stopped --fd 0=in.2 --fd 1=out.2 2> err)
	was 0 $? && echo "$q" > pid && ask 10 && until_true state_is "$q" T && sleep 0.5 &&
		! has out.2 13 && kill -CONT "$q" && until_true has out.2 13
}

original_is_left_stopped()
{
	sum_image --stop && until_true state_is "$p" T && ask 10 && sleep 0.5 && ! has out 13 &&
		kill -CONT "$p" && until_true has out 13 || return 1
	# The image is that of a program that runs.
	echo 10 | "$ghost" restart "$img" > out.2 2> err
	was 0 $? && [ "$(cat out.2)" = 13 ]
}

stopped_program_stays_stopped()
{
	local q
	start_sum && kill -STOP "$p" && until_true state_is "$p" T &&
		g 0 checkpoint "$p" -o "$img" && state_is "$p" T && mkfifo in.2 || return 1
	exec 7<> in.2
	q=$("$ghost" restart -d "$img" --fd 0=in.2 --fd 1=out.2 2> err)
	echo 10 >&7
	exec 7>&-
	state_is "$q" T && kill -CONT "$q" && until_true has out.2 10
	was 0 $?
	local ret=$?
	kill -KILL "$q" 2> /dev/null
	return $ret
}

descriptors_can_be_given()
{
	mkfifo in
	{ $python sum.py pid < in 5>&1 1>&6 | cat > /dev/null; } 6>&1 | cat > out &
	exec 8> in
	until_true has out ready || return 1
	p=$(cat pid)
	g 69 checkpoint "$p" -o "$img" && said "fd 5" &&
		g 0 checkpoint "$p" -o "$img" --kill --outside 5 &&
		g 64 restart "$img" < /dev/null && said "fd 5" && said "--fd" || return 1
	printf 'write 5\nexit 0\n' | "$ghost" restart "$img" --fd 5=out.5 2> err
	was 0 $? && [ "$(cat out.5)" = written ] || return 1
	printf 'write 5\nexit 0\n' | "$ghost" restart "$img" --fd 5=6 6> out.6 2> err
	was 0 $? && [ "$(cat out.6)" = written ]
}

# A full disk, with each of the things that may happen to the process afterwards
full_disk_does_no_harm()
{
	local what
	mkdir -p small
	mountpoint -q small || mount -t tmpfs -o size=256k none small || return 1
	echo old > small/old
	start_sum && ask 1 && until_true has out 1 || return 1
	for what in --run --stop --kill; do
		g 74 checkpoint "$p" -o small/new $what && said "No space left" &&
			g 74 checkpoint "$p" -o small/old $what --sync &&
			[ "$(ls -A small)" = old ] && [ "$(cat small/old)" = old ] &&
			until_true state_is "$p" S || return 1
	done
	ask 2 && until_true has out 3
}

image_is_replaced_whole()
{
	start_sum && mkdir left && echo old > left/image && ln -s image left/link || return 1
	ask 1 && until_true has out 1 && g 0 checkpoint "$p" -o left/image --sync &&
		g 0 show left/image > /dev/null && ask 2 && until_true has out 3 &&
		g 0 checkpoint "$p" -o left/link --kill && [ -L left/link ] &&
		[ "$(find left -mindepth 1 | wc -l)" = 2 ] &&
		[ "$(stat -c %a left/image)" = 600 ] || return 1
	echo 4 | "$ghost" restart left/image > out.2 2> err
	was 0 $? && [ "$(cat out.2)" = 7 ]
}

# Start a checkpoint, send it a signal after a while, wait for its end.
interrupt() # SIGNAL DELAY OPTION
{
	local q
	"$ghost" checkpoint "$p" -o left/image "$3" 2> err &
	q=$!
	sleep "$2"
	kill "-$1" $q 2> /dev/null
	wait $q 2> /dev/null
	if [ -e left/image ]; then
		g 0 show left/image > /dev/null || return 1
	fi
	# bash lets its background jobs ignore SIGINT: "ghost" then ignores it, too
	[ -z "$(find left -mindepth 1 ! -name image)" ] && return
	note "left behind: $(ls -A left)"
	return 1
}

interruption_leaves_nothing_behind()
{
	local delay sig
	$python -c 'import os, time
data = os.urandom(1 << 20) * 32
print("ready", flush=True)
while True: time.sleep(0.01)' > out &
	p=$!
	until_true has out ready && mkdir left || return 1
	for sig in HUP TERM KILL; do
		for delay in 0 0.02 0.05 0.1 0.3; do
			interrupt $sig $delay --run && until_true state_is $p S || return 1
			rm -f left/image
		done
	done
	# Signals wait until it is clear what becomes of the process.
	for delay in 0 0.02 0.1; do
		interrupt TERM $delay --stop || return 1
		if [ -e left/image ]; then
			until_true state_is $p T && kill -CONT $p || return 1
		fi
		until_true state_is $p S || return 1
		rm -f left/image
	done
	interrupt TERM 0.1 --kill || return 1
	[ -e left/image ] && until_true gone $p || state_is $p S
}

others_may_not()
{
	local run="setpriv --reuid 65534 --regid 65534 --clear-groups"
	sum_image && chmod 644 "$img" || return 1
	code 77 $run "$ghost" checkpoint "$p" -o /tmp/x.$$ 2> err && [ ! -e /tmp/x.$$ ] &&
		code 77 $run "$ghost" restart "$img" 2> err < /dev/null &&
		said "kernel.ghost_unprivileged"
}

sysctl_opens_it_for_all()
{
	local sysctl=/proc/sys/kernel/ghost_unprivileged run p
	run="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all"
	mkdir -m 777 left && mkfifo in && touch pid && chown 65534 pid || return 1
	$run $python -c 'import os, sys
open("pid", "w").write(str(os.getpid()))
print("ready", flush=True)
for line in sys.stdin: print(int(line) * 2, flush=True)' < in | cat > out &
	exec 8> in
	until_true has out ready && p=$(cat pid) &&
		code 77 $run "$ghost" dup $p > /dev/null 2> err &&
		said "kernel.ghost_unprivileged" &&
		code 0 $run "$ghost" checkpoint $p -o left/image --kill 2> err &&
		code 77 $run "$ghost" restart left/image < /dev/null 2> err &&
		echo 1 > $sysctl || return 1
	echo 21 | $run "$ghost" restart left/image > out.2 2> err
	was 0 $?
	local ret=$?
	echo 0 > $sysctl
	[ $ret = 0 ] && [ "$(cat out.2)" = 42 ]
}

damaged_image_is_refused()
{
	sum_image --kill && size=$(stat -c %s "$img") || return 1
	head -c $((size / 2)) "$img" > out.half
	cp "$img" out.flip
	printf '\xa7' | dd of=out.flip bs=1 seek=$((size / 2)) conv=notrunc status=none
	g 65 restart out.half < /dev/null && g 65 restart out.flip < /dev/null &&
		g 65 show out.half > /dev/null && said "truncated" &&
		g 65 show out.flip > /dev/null && [ -z "$(jobs -r)" ]
}

changed_program_is_refused()
{
	local p
	cp "$(readlink -f /usr/bin/sleep)" sleep || return 1
	./sleep 60 > /dev/null 2>&1 &
	p=$!
	until_true grep -q "$dir/sleep" /proc/$p/maps && g 0 checkpoint $p -o "$img" --kill &&
		cp "$(readlink -f /usr/bin/true)" sleep.new && mv sleep.new sleep &&
		g 69 restart "$img" && said "sleep"
}

program_is_in_its_image()
{
	local p c
	cp "$(readlink -f /usr/bin/sleep)" sleep || return 1
	./sleep 60 > /dev/null 2>&1 &
	p=$!
	until_true grep -q "$dir/sleep" /proc/$p/maps &&
		g 0 checkpoint $p -o "$img" --kill --whole && rm sleep &&
		g 0 restart -d "$img" > out && c=$(cat out) && until_true state_is "$c" S &&
		! grep -q "$dir/sleep" "/proc/$c/maps" && kill -KILL "$c" && until_true gone "$c"
}

early_calls_do_what_they_did()
{
	cat > early.py <<- 'END'
		import ctypes, errno, os, signal, socket, sys, threading
		lib = ctypes.CDLL(sys.argv[1], use_errno=True)
		KILL, NO_BINARY, NO_LIBRARIES = 1, 2, 4
		NOTIFY, STOP = 1, 2

		def fail(text):
		    print(text, file=sys.stderr, flush=True)
		    os._exit(1)

		def call(name, *args, fails=None):
		    ret = getattr(lib, name)(*args)
		    err = ctypes.get_errno() if ret < 0 else None
		    if err != fails:
		        fail(f"{name}{args}: {ret}, {err and os.strerror(err)}")
		    return ret

		told = []
		signal.signal(signal.SIGUSR1, lambda *_: told.append(True))
		stdin, give = os.pipe()
		take, stdout = os.pipe()
		os.dup2(stdin, 0)
		os.dup2(stdout, 1)
		def add(number, want):
		    os.write(give, b"%d\n" % number)
		    got = os.read(take, 100)
		    if got != b"%d\n" % want:
		        fail(f"{got}, not {want}")

		process = int(sys.argv[2])
		image = os.open("image", os.O_RDWR | os.O_CREAT, 0o600)
		call("checkpoint", image, process, 8, fails=errno.EINVAL)
		call("restart", image, 0, 0, 4, fails=errno.EINVAL)
		call("restart", image, 0, 0, 0, fails=errno.EBADMSG)
		call("checkpoint", image, process, KILL)
		os.lseek(image, 0, 0)
		copy = call("restart", image, os.getpid(), signal.SIGUSR1, NOTIFY)
		if not told:
		    fail("not told")
		add(4, 7)
		# From a socket, which they could not
		here, there = socket.socketpair()
		writer = threading.Thread(target=call, args=("checkpoint", here.fileno(), copy,
		                                             KILL | NO_BINARY | NO_LIBRARIES))
		writer.start()
		second = call("restart", there.fileno(), 0, 0, STOP)
		writer.join()
		os.waitid(os.P_PID, second, os.WSTOPPED | os.WNOWAIT)
		os.kill(second, signal.SIGCONT)
		add(5, 12)
		os.kill(second, signal.SIGKILL)
	END
	start_sum && ask 3 && until_true has out 3 &&
		code 0 $python early.py "${ghost%/bin/*}/lib/libghost.so.0" "$p" 2> err
}

# A terminal for the program, and another one for its copy
terminal_is_had()
{
	cat > terminal.py <<- 'END'
		import os, pty, re, select, signal, subprocess, sys, time
		ghost, image = sys.argv[1:]

		class Terminal:
		    def __init__(self, *cmd):
		        self.text = b""
		        self.pid, self.fd = pty.fork()
		        if not self.pid:
		            signal.signal(signal.SIGINT, signal.SIG_DFL)
		            os.execvp(cmd[0], cmd)
		    def expect(self, pattern, seconds=40):
		        end = time.time() + seconds
		        while not (found := re.search(pattern, self.text)):
		            if not select.select([self.fd], [], [], max(0, end - time.time()))[0]:
		                sys.exit(f"{pattern} is not in {self.text}")
		            try:
		                self.text += os.read(self.fd, 4096)
		            except OSError:
		                sys.exit(f"{pattern} is not in {self.text}, end")
		        self.text = self.text[found.end():]
		        return found
		    def type(self, text):
		        os.write(self.fd, text)

		def wait(pid):
		    return os.waitpid(pid, 0)[1]

		one = Terminal("python3", "sum.py", "pid")
		one.expect(b"ready")
		one.type(b"1\n2\n")
		one.expect(b"(?<!\\d)3\r\n")
		subprocess.check_call([ghost, "checkpoint", str(one.pid), "-o", image, "--kill"])
		wait(one.pid)

		two = Terminal(ghost, "restart", image)
		two.type(b"4\n")
		two.expect(b"(?<!\\d)7\r\n")
		two.type(b"5\n")
		two.expect(b"(?<!\\d)12\r\n")
		two.type(b"\x03")                               # ^C
		two.expect(b"KeyboardInterrupt")
		status = wait(two.pid)
		assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, status

		three = Terminal(ghost, "restart", image)
		three.type(b"4\n\x04")                          # ^D
		three.expect(b"(?<!\\d)7\r\n")
		status = wait(three.pid)
		assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
	END
	code 0 $python terminal.py "$ghost" "$img"
}

# As typed into an interactive shell
shell_can_control_it()
{
	sum_image --kill || return 1
	cat > shell.py <<- 'END'
		import os, pty, select, sys, time
		pid, fd = pty.fork()
		if not pid:
		    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		text = b""
		def expect(what, seconds=40):
		    global text
		    end = time.time() + seconds
		    while what not in text:
		        if not select.select([fd], [], [], max(0, end - time.time()))[0]:
		            sys.exit(f"{what} is not in {text}")
		        text += os.read(fd, 4096)
		    text = text[text.index(what) + len(what):]
		os.write(fd, b"PS1='> '; stty -echo; echo be''gun\n")
		expect(b"begun\r\n")
		os.write(fd, f"{sys.argv[1]} restart {sys.argv[2]}\n".encode())
		time.sleep(1)
		os.write(fd, b"4\n")
		expect(b"7\r\n")
		os.write(fd, b"\x1a")
		expect(b"Stopped")
		os.write(fd, b"jobs; fg\n")
		expect(b"restart")
		os.write(fd, b"5\n")
		expect(b"12\r\n")
		os.write(fd, b"exit 6\n")
		os.write(fd, b"echo code=$?\n")
		expect(b"code=6")
	END
	code 0 $python shell.py "$ghost" "$img"
}

echo "1..30"
t "The kernel is ready" kernel_is_ready
t "A process can be carried" process_can_be_carried
t "Obstacles are listed, and the checkpoint is refused" obstacles_are_listed
t "The result of a restarted program is the same, also the second time" result_is_the_same
t "With --kill nothing is lost or done twice" nothing_is_lost_or_done_twice
t "The exit status is passed on" exit_status_is_passed_on
t "Death by a signal is passed on" death_by_signal_is_passed_on
t "Signals are passed on" signals_are_passed_on
t "Stop and continue are passed on" stop_and_continue_are_passed_on
t "Pipes end when the program closes them" pipes_end_when_the_program_closes_them
t "A terminal is had, with ^C and ^D" terminal_is_had
t "An interactive shell can stop it by ^Z and go on with it" shell_can_control_it
t "An image is shown, and its parts agree" image_is_shown
t "An image goes through a pipe" image_goes_through_a_pipe
t "The old process id is had back" old_pid_is_had_back
t "A process id in use is refused" pid_in_use_is_refused
t "A detached program is alone" detached_program_is_alone
t "Restarted stopped, it waits" restarted_stopped_it_waits
t "With --stop the original is left stopped" original_is_left_stopped
t "A stopped program stays stopped" stopped_program_stays_stopped
t "Descriptors outside can be given, and are asked for" descriptors_can_be_given
t "A full disk does no harm" full_disk_does_no_harm
t "An image is replaced whole" image_is_replaced_whole
t "An interruption leaves nothing behind" interruption_leaves_nothing_behind
t "Others may not checkpoint or restart" others_may_not
t "The sysctl opens restart for all" sysctl_opens_it_for_all
t "A damaged image is refused" damaged_image_is_refused
t "A changed program is refused" changed_program_is_refused
t "With --whole an image needs no program" program_is_in_its_image
t "checkpoint() and restart() do what they did" early_calls_do_what_they_did
exit $failed
