/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of how two kernels hand a process over (<linux/ghost_wire.h>), for spin
 *
 * The connection keeps the order of what is said, may take any time, and may be cut at
 * any moment; then each end still gets some of what was under way to it, or nothing. Each end may
 * give up waiting, get a signal, or crash. Somebody may kill the original. At the end somebody who
 * sees both machines decides about an original that is held.
 *
 * -DBUG=N plants an error that has to be found, see tests/model.
 */

#ifndef BUG
#define BUG 0
#endif

mtype = { HELLO, ACCEPT, FAILED, END, READY, GO, DONE };
mtype = { NONE, BUILT, RUNS, PARKED, HELD, ENDED };

chan to_destination = [3] of { mtype };
chan to_source = [3] of { mtype };

mtype original = RUNS;
mtype copy = NONE;
bool cut;		/* the connection is no more */
bool decided;		/* the source is about to say GO */
bool killed;		/* somebody wanted the original to end */
bool killed_early;	/* ... before that: nobody wants a copy */
bool source_crashed, destination_crashed;
bool source_done, destination_done;

/* What is said after a cut is lost; what was said before may be */
inline say(channel, what)
{
	if
	:: !cut -> channel ! what
	:: cut
	fi
}

/* Ends may be given up at any wait: a timeout, a signal, or the end of the connection */
inline hear(channel, what)
{
	if
	:: channel ? what
	:: what = NONE
	fi
}

active proctype source()
{
	mtype heard;

	say(to_destination, HELLO);
	hear(to_source, heard);
	if
	:: heard != ACCEPT -> goto out
	:: else
	fi;
	if
	:: atomic { original == RUNS -> original = PARKED }
	:: original == ENDED -> goto out
	fi;
	say(to_destination, END);
	hear(to_source, heard);
	if
	:: heard != READY -> goto resume
	:: else
	fi;
	atomic {
#if BUG != 1
		if
		:: original == ENDED -> goto out
		:: else
		fi;
#endif
		decided = true
	};
	say(to_destination, GO);
	hear(to_source, heard);
	if
	:: heard == DONE -> original = ENDED; goto out
	:: heard == FAILED -> goto resume
	:: else
	fi;
#if BUG == 2
	goto resume;
#endif
	atomic {
		if
		:: original == PARKED -> original = HELD
		:: else
		fi
	};
	goto out;
resume:
	atomic {
		if
		:: original == PARKED -> original = RUNS
		:: else
		fi
	};
out:
	cut = true;	/* it closes its end */
	source_done = true
}

active proctype destination()
{
	mtype heard;

	hear(to_destination, heard);
	if
	:: heard != HELLO -> goto failed
	:: heard == HELLO -> goto failed	/* another CPU, say */
	:: heard == HELLO -> say(to_source, ACCEPT)
	fi;
	hear(to_destination, heard);
	if
	:: heard != END -> goto failed
	:: else
	fi;
	if
	:: copy = BUILT
	:: goto failed				/* a file is not there, say */
	fi;
#if BUG == 3
	copy = RUNS;
#endif
	say(to_source, READY);
#if BUG == 4
	say(to_source, DONE);
#endif
	hear(to_destination, heard);
	if
	:: heard != GO ->
#if BUG == 5
		copy = RUNS;
		goto out;
#endif
		goto failed
	:: else
	fi;
	/* The importer may have given up first: who comes first decides */
	if
	:: copy = RUNS; say(to_source, DONE)
#if BUG == 6
	:: say(to_source, FAILED); copy = RUNS
#endif
	:: goto failed
	fi;
	goto out;
failed:
	copy = NONE;	/* nothing is left before it is said */
	say(to_source, FAILED);
out:
	destination_done = true
}

active proctype network()
{
	mtype lost;

	do
	:: to_destination ? lost; cut = true;
		do
		:: to_destination ? lost
		:: empty(to_destination) -> break
		od
	:: to_source ? lost; cut = true;
		do
		:: to_source ? lost
		:: empty(to_source) -> break
		od
	:: cut = true; break
	:: break
	od
}

active proctype killer()
{
	if
	:: atomic {
		original != ENDED && original != HELD ->
		killed = true;
		killed_early = !decided;
		original = ENDED
	   }
	:: skip
	fi
}

/* A machine that crashes takes what it has with it, and says nothing any more */
active proctype crash()
{
	if
	:: atomic { source_crashed = true; cut = true; original = ENDED }
	:: atomic { destination_crashed = true; cut = true; copy = NONE }
	:: skip
	fi
}

active proctype somebody()
{
	(source_done && destination_done);
	atomic {
		if
		:: original == HELD && copy == RUNS -> original = ENDED
		:: original == HELD && copy != RUNS -> original = RUNS
		:: else
		fi
	};
	/* It is not lost, unless a machine is, or it was to end */
	assert(original == RUNS || copy == RUNS || killed || source_crashed ||
	       destination_crashed);
	/* Nothing is left half made */
	assert(copy != BUILT || destination_crashed)
}

/* Never two */
active proctype observer()
{
	assert(!(original == RUNS && copy == RUNS) && !(killed_early && copy == RUNS))
}
