/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: a publisher that overwrites, is killed, and has a successor; a lossless reader that reads
 * in place; a lossy one that copies. What was committed is there once and whole; what was not is
 * never seen; nobody waits for the dead.
 *
 * RIGHT    one death                            -DMESSAGES=3
 * FULL     more messages                        -DMESSAGES=5
 * FULL     two deaths                           -DDEATHS=2 -DMESSAGES=3
 * FULL     lossy, two deaths                    -DDEATHS=2 -DMESSAGES=4 -DNO_LOSSLESS
 * WRONG    the word may pass its bytes          -DWORD_RELAXED
 * WRONG    no fence before it overwrites        -DNO_FENCE -DNO_LOSSLESS
 * WRONG    overwrites, then announces           -DANNOUNCES_LATE -DNO_LOSSLESS
 * WRONG    lossy does not look at oldest again  -DLOSSY_LOOKS_ONCE -DNO_LOSSLESS
 * WRONG    lossy may look before it copied      -DLOSSY_NO_FENCE -DNO_LOSSLESS
 * WRONG    the cursor moves, then it reads      -DCURSOR_EARLY
 * WRONG    the cursor gates nothing             -DNO_GATE
 * WRONG    a successor believes position        -DPOSITION_BELIEVED
 * WRONG    a successor announces less           -DFLOOR_IGNORED -DNO_LOSSLESS
 * WRONG    it takes what is gone for free       -DATTAINED_TOO_HIGH
 * WRONG    who waits does not ask the kernel    -DNEVER_ASKS
 *
 * WHAT STANDS FOR WHAT
 *   raise         lane_make_room, raise_oldest, announce, attain (src/lane/lane_write.c)
 *   publish       lane_copy_in, lane_commit (src/lane/lane.h)
 *   blocked       wait_at_gate, repair_blockers (src/topic/pub.c), as in gate.pml
 *   next owner    leave_lane (src/topic/topic.c) as repair: lane_settle, lane_end; then
 *                 lane_writer_open (src/lane/lane_write.c)
 *   lossless      lane_peek, lane_pass (src/lane/lane.h)
 *   lossy         try_copy, lane_skip_lost (src/lane/lane_read.c)
 *   DATA, WORD    of a slot: whose bytes, whose word: message 1, 2, ... A message of publisher n has
 *                 the bytes 16n + its number, so that one that was never committed is told from the
 *                 one that took its place
 *
 * MEMORY. The publisher's stores go through buffer.inc: bytes and oldest relaxed, the word and
 * position with release. Readers load the word with acquire, then the bytes, then (lossy) pass an
 * acquire fence and load oldest: in this order. LOSSY_NO_FENCE lets the last go before the bytes. A
 * cursor is stored with release after the bytes were read; that it may become visible late only
 * makes the publisher wait longer, so it is visible at once.
 *
 * LEFT OUT. A message has one word of bytes: each of several is written and read as this one. Begun
 * and sleepers: sleep.pml. Newcomers: gate.pml. The owner word, who repairs and how often:
 * seats.pml; so here the successor settles in one step (the owner is dead: nobody else writes).
 * The payload area: as gate.pml says.
 *
 * BOUNDS. SLOTS slots, raised by one; MESSAGES messages in all; DEATHS kills of publishers and of the
 * lossless reader. The lossy reader never writes what others look at: its death changes nothing.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define OLDEST    0
#define POSITION  1
#define WORD(p)   (2 + (p) % SLOTS)
#define DATA(p)   (2 + SLOTS + (p) % SLOTS)
#define LOCATIONS (2 + 2 * SLOTS)
#ifdef WORD_RELAXED
#define RELEASE(l) ((l) == POSITION)
#else
#define RELEASE(l) ((l) >= POSITION && (l) < 2 + SLOTS)
#endif
#define IS_WORD(l) ((l) > POSITION && (l) < 2 + SLOTS)
#define WRITERS    1
#define PENDING    4

byte committed[MESSAGES + 1]; /* the bytes that were in the slot when its word came; 0: not there */

/* A message exists from its word on, and only once. */
#define ARRIVES(l, v)                                                                              \
	if                                                                                         \
	:: IS_WORD(l) ->                                                                           \
		assert(committed[v] == 0);                                                         \
		committed[v] = 16 * turn + v                                                       \
	:: else                                                                                    \
	fi

byte turn; /* which publisher has the lane: those before it are dead */
#include "buffer.inc"

bool entry;  /* the lossless reader's: LOSSLESS, or FREE after its repair */
byte cursor;
bool reader_dead, done;
byte lossy_at, lost;

/* ---- publisher --------------------------------------------------------------------------- */

#ifdef NO_GATE
#define NEED position
#else
#define NEED (entry && cursor <= position && position - cursor <= SLOTS -> cursor : position)
#endif

#ifdef FLOOR_IGNORED
#define ANNOUNCE(o) STORE(0, OLDEST, o)
#else
#define ANNOUNCE(o) STORE(0, OLDEST, ((o) > lowest -> (o) : lowest))
#endif

/* Room for one more, or a wait. */
inline raise()
{
	if
	:: atomic { NEED > attained -> to = attained + 1 };
#ifndef ANNOUNCES_LATE
		ANNOUNCE(to);
#endif
#ifndef NO_FENCE
		atomic { DRAIN(0) };
#endif
		if
		:: atomic { NEED < to -> to = 0 };
			ANNOUNCE(attained)
		:: atomic { NEED >= to -> attained = to; to = 0 }
		fi
	:: atomic { NEED <= attained ->
		if
		:: NEED > attained
#ifndef NEVER_ASKS
		:: reader_dead && entry -> entry = false
#endif
		fi }
	fi
}

inline take_over()
{
	position = mem[POSITION];
#ifndef POSITION_BELIEVED
	do
	:: mem[WORD(position)] == position + 1 -> position++
	:: else -> break
	od;
#endif
	mem[POSITION] = position;
#ifdef ATTAINED_TOO_HIGH
	attained = position;
#else
	attained = (position < SLOTS -> 0 : position - SLOTS);
#endif
	lowest = mem[OLDEST];
	if
	:: lowest > position || lowest < attained -> lowest = position
	:: else
	fi
}

proctype publisher(byte number)
{
	byte position, attained, lowest, to, k;
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
			STORE(0, DATA(position), 16 * number + position + 1);
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

/* ---- readers ----------------------------------------------------------------------------- */

/* Every message in its order, and its bytes as they were committed, as long as it looks at them. */
#define WHOLE(p) (mem[DATA(p)] == committed[(p) + 1])

proctype lossless()
{
	byte at;
	{
end:
		do
		:: atomic { mem[WORD(at)] > at -> assert(mem[WORD(at)] == at + 1) };
#ifdef CURSOR_EARLY
			cursor = at + 1;
#endif
			assert(WHOLE(at));
			atomic { at++; cursor = at }
		od
	} unless {
		reader_dead
	}
}

proctype lossy()
{
	byte bytes, oldest;
end:
	do
	:: lossy_at < MESSAGES && (mem[WORD(lossy_at)] == lossy_at + 1 || mem[OLDEST] > lossy_at) ->
		if
		:: mem[WORD(lossy_at)] == lossy_at + 1 ->
#ifdef LOSSY_NO_FENCE
			oldest = mem[OLDEST];
			bytes = mem[DATA(lossy_at)];
#else
			bytes = mem[DATA(lossy_at)];
			oldest = mem[OLDEST];
#endif
#ifdef LOSSY_LOOKS_ONCE
			oldest = 0;
#endif
			atomic {
				if
				:: oldest <= lossy_at ->
					assert(bytes == committed[lossy_at + 1]);
					lossy_at++
				:: else ->
					lost = lost + oldest - lossy_at;
					lossy_at = oldest
				fi;
				bytes = 0;
				oldest = 0
			}
		:: else ->
			/* not there: overtaken, or not yet */
			atomic {
				if
				:: mem[OLDEST] > lossy_at ->
					lost = lost + mem[OLDEST] - lossy_at;
					lossy_at = mem[OLDEST]
				:: else
				fi
			}
		fi
	od
}

/* ---- the kernel, and what must hold ------------------------------------------------------- */

proctype killer()
{
	byte k, left;
	select (left : 0 .. DEATHS);
end:
	do
	:: atomic { left && !done -> left--; DRAIN(0); turn++ }
#ifndef NO_LOSSLESS
	:: atomic { left && !reader_dead -> left--; reader_dead = true }
#endif
	od
}

/* Nothing moves any more. */
proctype judge()
{
	byte i;
	timeout;
	assert(done);
	assert(lossy_at == MESSAGES);
#ifndef NO_LOSSLESS
	assert(reader_dead || cursor == MESSAGES);
#endif
	for (i : 1 .. MESSAGES) {
		assert(committed[i] != 0)
	}
}

init {
	byte a;
	atomic {
		run memory(0);
		for (a : 0 .. DEATHS) {
			run publisher(a)
		}
#ifndef NO_LOSSLESS
		entry = true;
		run lossless();
#endif
		run lossy();
		run killer();
		run judge()
	}
}
