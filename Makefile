# SPDX-License-Identifier: GPL-2.0-only
#
# ghost: checkpoint and restart of processes for Linux 6.12.
# This Makefile drives the repository; `make help` lists what it can do.

export OUT ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ghost
export KSRC
KERNEL ?= production
CMD ?= bash -c 'uname -a; grep -i ghost /proc/kallsyms | head'

S := scripts

.PHONY: help deps tree build payload check test demo bench soak mails bisect vm shell clean distclean
.NOTPARALLEL:

help:
	@sed 's/^	//' $(S)/help

deps:
	@$(S)/deps

tree: deps
	@$(S)/tree

build: tree
	@$(S)/build $(KERNEL)

payload: build
	@$(S)/payload $(KERNEL)

check: tree
	@$(S)/check

test: tree
	@$(S)/test

demo: tree
	@$(S)/demo

bench: tree
	@$(S)/bench

soak: deps tree
	@$(S)/soak

mails: tree
	@$(S)/mails $(OUT)/src/base $(OUT)/mails

bisect: tree
	@$(S)/bisect

vm: payload
	@$(S)/guest $(KERNEL) -- $(CMD)

shell: payload
	@$(S)/guest $(KERNEL) --shell

clean:
	@$(S)/clean

distclean:
	@$(S)/clean --all
