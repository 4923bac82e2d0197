# SPDX-License-Identifier: GPL-2.0-only
# Completion of ghost(1) for bash

_ghost()
{
	local cur=$2 prev=$3 cmd=${COMP_WORDS[1]-} words

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words="checkpoint restart check show help --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case $cmd:$prev in
	*:-o|*:--output|restart:--fd)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	*:--timeout|*:--outside)
		return ;;
	esac
	case $cmd in
	checkpoint)
		words="--output --kill --stop --run --sync --timeout --outside --quiet --verbose --help" ;;
	restart)
		words="--detach --pid --stopped --fd --quiet --help" ;;
	check)
		words="--json --outside --help" ;;
	show)
		words="--json --pages --help" ;;
	help)
		words="checkpoint restart check show" ;;
	*)
		return ;;
	esac
	case $cmd:$cur in
	*:-*|help:*)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
	restart:*|show:*)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	*)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G "${cur}[0-9]*") ;;
	esac
}

complete -o filenames -F _ghost ghost
