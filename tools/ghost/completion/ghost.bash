# SPDX-License-Identifier: GPL-2.0-only
# Completion of ghost(1) for bash

_ghost()
{
	local cur=$2 prev=$3 cmd=${COMP_WORDS[1]-} words word=${COMP_WORDS[COMP_CWORD]-}
	local tls="--certificate --key --authority --insecure"

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words="checkpoint restart migrate dup check show help --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	# --option=VALUE is three words
	if [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
		word="="
	fi
	case $cmd:$prev$word in
	migrate:--resolve=)
		mapfile -t COMPREPLY < <(compgen -W "here there" -- "$cur")
		return ;;
	esac
	case $cmd:$prev in
	*:-o|*:--output|restart:--fd|*:--certificate|*:--key|*:--authority)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	*:--stdio)
		mapfile -t COMPREPLY < <(compgen -W "forward null /" -- "$cur")
		[[ $cur != /* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	dup:--to)
		mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
		return ;;
	*:--timeout|*:--outside|*:--patience|migrate:--rounds|migrate:--max-downtime|dup:-n|dup:--number)
		return ;;
	esac
	case $cmd in
	checkpoint)
		words="--output --kill --stop --run --sync --whole --timeout --outside"
		words+=" --quiet --verbose --help" ;;
	restart)
		words="--detach --pid --stopped --fd --quiet --help" ;;
	migrate)
		words="--stdio --resolve --resolve=here --resolve=there --timeout --patience --outside"
		words+=" --rounds --max-downtime --quiet --verbose --help $tls" ;;
	dup)
		words="--number --to --stdio --timeout --patience --outside --quiet --verbose --help"
		words+=" $tls" ;;
	check)
		words="--json --whole --outside --help" ;;
	show)
		words="--json --pages --help" ;;
	help)
		words="checkpoint restart migrate dup check show" ;;
	*)
		return ;;
	esac
	case $cmd:$cur in
	*:-*|help:*)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
	restart:*|show:*)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	migrate:[!0-9]*)
		mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur") ;;
	*)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G "${cur}[0-9]*") ;;
	esac
}

complete -o filenames -F _ghost ghost
