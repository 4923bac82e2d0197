# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the shell scripts share. To be sourced.

# shellcheck disable=SC2034
repo=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
OUT=${OUT:-${XDG_CACHE_HOME:-$HOME/.cache}/ghost}
mkdir -p "$OUT"
OUT=$(readlink -f "$OUT")
export OUT
PATH=$PATH:/usr/sbin:/sbin

# A folder that was empty is ours from then on: this file says so, and nothing is removed
# from a folder without it. One from before there was this file is known by its links, if
# nothing else is in it.
marker=$OUT/.ghost-out
out_is_ours()
{
	local names
	names=$(ls -A "$OUT")
	[ -n "$names" ] || return 0
	[[ $(readlink "$OUT/src") == src-* && $(readlink "$OUT/tree") == src/tree ]] &&
		! grep -qvxE -e 'src|tree|log|mails|results|ccache|vm|kvm-probe\.json' \
			-e 'src-.*|vm-.*|build-.*|payload.*|rootfs.*|demo.*' <<< "$names"
}
if [ ! -e "$marker" ] && out_is_ours; then
	echo "Made by the scripts of ghost; make distclean removes what is here." > "$marker"
fi

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# step LOG HINT COMMAND...: run a command silently; when it fails show the end of
# its log and say in one line what to do.
step()
{
	local log=$1 hint=$2
	shift 2
	mkdir -p "$(dirname "$log")"
	if ! "$@" > "$log" 2>&1 < /dev/null; then
		grep -nE 'error:|Error |\*\*\*' "$log" | head -n 5 >&2
		tail -n 15 "$log" >&2
		die "$hint (log: $log)"
	fi
}

# Where the kernel called $1 (base, production, debug ...) is built. A folder right
# below the sources: kbuild then uses relative paths, and ccache can share objects.
kernel_dir()
{
	local at
	at=$(readlink -f "$OUT/src") || die "no kernel tree; run: make tree"
	case $1 in
	base*)	echo "$at/base/out-$1" ;;
	*)	echo "$at/tree/out-$1" ;;
	esac
}
