#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh [DIR]: measure ghost in this guest; images go to DIR (default: /var/tmp). Each figure
# is a line "bench NAME VALUE UNIT BOUND ok|short". Exit status 1: a bound is not met.
#
# Emulated SMAP together with ERMS makes copies to and from user space many times slower under
# TCG, and so distorts what is compared; use -cpu max,-erms,-smap and no5lvl.

set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-/var/tmp}

printf '# %s\n' "$(uname -srvm)"
printf '# command line: %s\n' "$(cat /proc/cmdline)"
printf '# processor: %s;' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
for flag in erms smap la57 fsrm; do
	if grep -qw "$flag" /proc/cpuinfo; then
		printf ' %s' "$flag"
	else
		printf ' no-%s' "$flag"
	fi
done
printf '; %s processors, %s\n' "$(nproc)" "$(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
if zcat /proc/config.gz 2> /dev/null | grep -q ^CONFIG_KASAN=y; then
	echo "# this is a debug kernel: its figures mean nothing"
fi
exec "$here/bench" "$dir"
