/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: a publisher that overwrites, and a lossless subscriber that joins. From its first
 * message on the newcomer misses nothing, and it never stands still.
 *
 * FULL     at the oldest                     -DFROM_OLDEST
 * RIGHT    from now on                       -DMESSAGES=4
 * FULL     more messages, from now on
 * FULL     four slots                        -DSLOTS=4 -DMESSAGES=7
 * FULL     two deaths, at the oldest         -DMESSAGES=4 -DDEATHS=2 -DFROM_OLDEST
 * FULL     two deaths, from now on           -DMESSAGES=3 -DDEATHS=2
 * WRONG    the publisher does not fence      -DPUBLISHER_NO_FENCE
 * WRONG    the publisher looks once          -DPUBLISHER_LOOKS_ONCE
 * WRONG    it overwrites, then announces     -DANNOUNCES_LATE -DFROM_OLDEST
 * WRONG    its limit is once and for all     -DUNBOUNDED
 * WRONG    the newcomer does not fence       -DNEWCOMER_NO_FENCE
 * WRONG    the newcomer looks once           -DNEWCOMER_LOOKS_ONCE
 * WRONG    it is final before it looks again -DNO_ARRIVING -DMESSAGES=9
 * WRONG    it counts as used afterwards      -DUSED_LATE
 * WRONG    an outdated cursor gates nothing  -DOUTDATED_IGNORED -DMESSAGES=9
 *
 * WHAT STANDS FOR WHAT
 *   raise       lane_make_room, raise_oldest, announce, attain (src/lane/lane_write.c)
 *   need        gate_used, gate_need, gate_look (src/lane/gate.h): three loads
 *   publish     lane_put, lane_commit (src/lane/lane.h): the bytes, the word, position. Begun and
 *               sleepers are sleep.pml's
 *   blocked     wait_at_gate, repair_blockers (src/topic/pub.c): it sleeps in slices, asks the
 *               kernel and repairs, so it goes on as soon as there is room or the blocker is dead
 *   newcomer    topic_take_entry, topic_activate (src/topic/topic.c), then lane_peek and lane_pass
 *   next owner  lane_writer_open (src/lane/lane_write.c), after a repair: lane_settle, lane_end
 *   DATA, WORD  of a slot: the number of the message whose bytes are there, or whose word is, plus 1
 *
 * MEMORY. The publisher's stores go through buffer.inc: oldest and the bytes relaxed, the word and
 * position with release; its fence empties the buffer. The newcomer's stores are sequentially
 * consistent, each visible before its next load. NEWCOMER_NO_FENCE leaves out its fence and that
 * order, as a store of ARRIVING with release only would: it may become visible after the look.
 *
 * LEFT OUT. The payload area: its extents are freed with the messages before `oldest`. More than one
 * newcomer: the need of each is taken by itself, and the earliest counts. More lanes: a newcomer
 * does the same in each, and a publisher looks at the cursors in its own.
 *
 * BOUNDS. SLOTS slots, raised by one at a time; MESSAGES by one publisher and its successors; DEATHS
 * kills.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 6
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define OLDEST     0
#define POSITION   1
#define WORD(p)    (2 + (p) % SLOTS)
#define DATA(p)    (2 + SLOTS + (p) % SLOTS)
#define LOCATIONS  (2 + 2 * SLOTS)
#define RELEASE(l) ((l) >= POSITION && (l) < 2 + SLOTS)
#define WRITERS    1
#define PENDING    4
#include "buffer.inc"

mtype = { FREE, JOINING, ARRIVING, LOSSLESS };

mtype entry = FREE;
bool used;
byte cursor;
byte turn;                  /* which publisher has the lane: those before it are dead */
bool newcomer_dead, reading, done;
byte n_position;            /* the newcomer's own */

/* ---- publisher --------------------------------------------------------------------------- */

#ifdef OUTDATED_IGNORED
#define OUTSIDE position
#else
#define OUTSIDE (seen == ARRIVING -> attained : position)
#endif

#define WITHIN (cursor <= position && position - cursor <= SLOTS)

/* What the newcomer needs, or position. */
inline look_at_cursors(result)
{
	if
	:: atomic { !used -> result = position }
	:: atomic { used -> seen = entry };
		if
		:: atomic { seen != ARRIVING && seen != LOSSLESS -> result = position; seen = 0 }
		:: atomic { seen == ARRIVING || seen == LOSSLESS ->
			if
			:: WITHIN -> result = cursor
			:: else -> result = OUTSIDE
			fi;
			seen = 0 }
		fi
	fi
}

/* Would a look now find room? */
#define MAY_GO_ON                                                                                  \
	((entry != ARRIVING && entry != LOSSLESS) || (WITHIN && cursor > attained) ||              \
	 (!WITHIN && entry == LOSSLESS))

#define ANNOUNCE(o) STORE(0, OLDEST, ((o) > lowest -> (o) : lowest))

/* Room for one message: `attained` goes up by one if everybody lets it; else it waits, and comes
 * again. */
inline raise()
{
	look_at_cursors(to);
	if
#ifdef UNBOUNDED
	:: !used -> attained = MESSAGES
#endif
	:: atomic { to > attained -> to = attained + 1 };
#ifndef ANNOUNCES_LATE
		ANNOUNCE(to);
#endif
#ifndef PUBLISHER_NO_FENCE
		atomic { DRAIN(0) };
#endif
#ifndef PUBLISHER_LOOKS_ONCE
		look_at_cursors(again);
		if
		:: atomic { again < to -> again = 0; to = 0 };
			ANNOUNCE(attained)
		:: atomic { again >= to -> again = 0; attained = to; to = 0 }
		fi
#else
		atomic { attained = to; to = 0 }
#endif
	:: atomic { to <= attained -> to = 0 };
		/* Gated. In slices, so whatever lets it go on is seen, and the dead are repaired. */
		if
		:: MAY_GO_ON
		:: atomic { newcomer_dead && entry != FREE -> entry = FREE }
		fi
	fi
}

/* The bytes and the word of the dead publisher's last message may be there, or the bytes alone. */
inline take_over()
{
	position = mem[POSITION];
	do
	:: mem[WORD(position)] == position + 1 -> position++
	:: else -> break
	od;
	mem[POSITION] = position;
	attained = (position < SLOTS -> 0 : position - SLOTS);
	lowest = mem[OLDEST];
	if
	:: lowest > position || lowest < attained -> lowest = position
	:: else
	fi
}

proctype publisher(byte number)
{
	byte position, attained, lowest, to, again, k;
	mtype seen;
end_not_yet:
	turn >= number;
	{
		if
		:: number > 0 -> atomic { take_over() }; ANNOUNCE(attained)
		:: else
		fi;
		do
		:: position < MESSAGES && position == attained + SLOTS -> raise()
		:: position < MESSAGES && position < attained + SLOTS ->
			STORE(0, DATA(position), position + 1);
#ifdef ANNOUNCES_LATE
			ANNOUNCE(attained);
#endif
			STORE(0, WORD(position), position + 1);
			STORE(0, POSITION, position + 1);
			position++
		:: else -> break
		od;
		done = true
	} unless {
		turn > number
	}
}

/* ---- newcomer ---------------------------------------------------------------------------- */

#ifdef FROM_OLDEST
#define FIRST mem[OLDEST]
#else
#define FIRST mem[POSITION]
#endif

proctype newcomer()
{
	byte first;
	{
#ifndef USED_LATE
		used = true;
#endif
		entry = JOINING;
		first = FIRST;
		atomic { cursor = first; first = 0 };
#ifdef NO_ARRIVING
		entry = LOSSLESS;
#else
#ifndef NEWCOMER_NO_FENCE
		entry = ARRIVING;
#endif
#endif
#ifndef NEWCOMER_LOOKS_ONCE
		first = FIRST;
#ifdef NEWCOMER_NO_FENCE
		entry = ARRIVING;
#endif
		atomic { cursor = (first > cursor -> first : cursor); first = 0 };
#endif
		entry = LOSSLESS;
#ifdef USED_LATE
		used = true;
#endif
		atomic { n_position = cursor; reading = true };
end:
		do
		:: atomic { mem[WORD(n_position)] > n_position ->
			assert(mem[WORD(n_position)] == n_position + 1); /* nothing was missed */
			assert(mem[DATA(n_position)] == n_position + 1) };
			/* it lies there until the cursor moves */
			assert(mem[DATA(n_position)] == n_position + 1);
			atomic { n_position++; cursor = n_position }
		od
	} unless {
		newcomer_dead
	}
}

/* ---- the kernel, and what must hold ------------------------------------------------------- */

proctype killer()
{
	byte k, left;
	select (left : 0 .. DEATHS);
end:
	do
	:: atomic { left && !done -> left--; DRAIN(0); turn++ }
	:: atomic { left && !newcomer_dead -> left--; newcomer_dead = true }
	od
}

/* Nothing moves any more: all is published, and who lives has read it. */
proctype judge()
{
	timeout;
	assert(done);
	assert(newcomer_dead || (reading && n_position == MESSAGES))
}

init {
	byte a;
	atomic {
		run memory(0);
		for (a : 0 .. DEATHS) {
			run publisher(a)
		}
		run newcomer();
		run killer();
		run judge()
	}
}
