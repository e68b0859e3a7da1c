/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep and wake: subscribers that sleep on a topic's wake line, publishers that commit and close.
 * Nobody alive sleeps without a slice while there is something to see, whoever was killed where.
 *
 * RIGHT    one publisher          -DSLEEPERS=1
 * RIGHT    fences for itself      -DSLEEPERS=1 -DFENCES_ITSELF
 * FULL     two sleepers
 * FULL     two messages           -DMESSAGES=2 -DDEATHS=2 -DSLEEPERS=1
 * FULL     a batch of two         -DMESSAGES=2 -DBATCH
 * FULL     two publishers         -DPUBLISHERS=2 -DSLEEPERS=1
 * WRONG    no membarrier                     -DNO_MEMBARRIER -DSLEEPERS=1
 * WRONG    begun is not looked at            -DNO_UNSETTLED -DSLEEPERS=1
 * WRONG    begun is stored after the look    -DBEGUN_LATE -DSLEEPERS=1
 * WRONG    first the message, then the look  -DPUBLISH_FIRST -DSLEEPERS=1
 * WRONG    publishes, then wakes             -DTWO_CALLS -DSLEEPERS=1
 * WRONG    F does not change before the call -DNO_COUNT -DSLEEPERS=1
 * WRONG    looks before it asks for begun    -DLOOK_FIRST -DSLEEPERS=1
 * WRONG    its bit is set after its look     -DBIT_LATE -DSLEEPERS=1
 * WRONG    position may pass the message     -DPOSITION_RELAXED -DSLEEPERS=1
 * WRONG    no fence where no barrier reaches -DFENCES_ITSELF -DNO_OWN_FENCE -DSLEEPERS=1
 * WRONG    the end is stored, then told      -DCLOSE_TWO_CALLS -DSLEEPERS=1
 *
 * WHAT STANDS FOR WHAT
 *   publisher     lane_commit (src/lane/lane.h) and lane_commit_looking, store_word_looking,
 *                 commit_waking (src/lane/lane_write.c); with BATCH lane_put_batch and put_looking
 *   close         leave_lane, close_waking, tell_subscribers (src/topic/topic.c)
 *   sleeper       sleep_once (src/wait/wait.c), look_for_message, publishers_unsettled
 *                 (src/topic/sub.c)
 *   repair        repair_publishers, object_repair_seat, topic_repair, lane_settle
 *   WAKE_ALL      FUTEX_WAKE(_OP); together with an addition in one atomic step: FUTEX_WAKE_OP
 *   a slot        0 nothing, 1 the half-made word of commit_waking, 2 a message
 * Waking first and publishing then is no wrong variant: who is woken too early sees it begun, and
 * sleeps in slices. Nor is leaving out the look after `position`, for the same reason.
 *
 * MEMORY. The publisher's stores are begun (relaxed), the slot's word and position (release): see
 * buffer.inc. Its looks at F are relaxed loads with a compiler fence before them: a load may be done
 * before earlier stores are visible, which is what the buffer does; it can't pass the release store
 * after it. All of the sleeper's steps are sequentially consistent or acquire loads in order.
 *
 * LEFT OUT. The first sleep of a wait, a slice without membarrier, and spinning: they end by
 * themselves, and so can't be for ever. Several slots: a sleeper that was never gated reads the
 * first free one; reuse is lane.pml's. A kernel that forbids FUTEX_WAKE_OP: nothing is promised
 * there. The gate's sleepers: they wait for particular seats, in slices (waits_for_the_living), or
 * for somebody to join, who is no use to them when dead. F wraps after 2^31 changes during one call.
 *
 * BOUNDS. PUBLISHERS lanes of MESSAGES messages, SLEEPERS subscribers, DEATHS kills.
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define LANE      (2 + MESSAGES)
#define LOCATIONS (PUBLISHERS * LANE)
#define WRITERS   PUBLISHERS
#define PENDING   3

#define BEGUN(p)    ((p) * LANE)
#define POSITION(p) ((p) * LANE + 1)
#define SLOT(p, m)  ((p) * LANE + 2 + (m))
#ifdef POSITION_RELAXED
#define RELEASE(l) ((l) % LANE > 1)
#else
#define RELEASE(l) ((l) % LANE > 0)
#endif
#include "buffer.inc"

mtype = { TAKEN, CLOSED, DIED };

byte F;                      /* bit 0: somebody sleeps */
bool asleep[SLEEPERS];       /* in the kernel's queue */
bool sliced[SLEEPERS];       /* wakes by itself */
byte next[SLEEPERS * PUBLISHERS];
mtype owner[PUBLISHERS];
bool seat[PUBLISHERS];       /* not FREE */
byte seat_lock[PUBLISHERS];  /* whose: 0 nobody, 1 the holder, 2.. sleeper 0.. that repairs */
bool dead[PUBLISHERS + SLEEPERS];

#define SLEEPER_DEAD(s) dead[PUBLISHERS + (s)]

#define WAKE_ALL                                                                                   \
	for (i : 0 .. SLEEPERS - 1) {                                                              \
		asleep[i] = false                                                                  \
	}                                                                                          \
	i = 0

/* wait_wake: one call; the publisher's earlier stores are visible before it. */
#define WAIT_WAKE                                                                                  \
	F = F + 1;                                                                                 \
	WAKE_ALL

#define IS_THERE(s, p) (next[(s) * PUBLISHERS + p] < MESSAGES && mem[SLOT(p, next[(s) * PUBLISHERS + p])] == 2)

/* ---- publisher --------------------------------------------------------------------------- */

inline commit_waking(m)
{
#ifdef TWO_CALLS
	STORE(p, SLOT(p, m), 2);
	atomic { DRAIN(p); WAIT_WAKE }
#else
	STORE(p, SLOT(p, m), 1);
#ifndef NO_COUNT
	atomic { DRAIN(p); F = F + 2 };
#endif
	atomic { DRAIN(p); mem[SLOT(p, m)]++; WAKE_ALL };
	atomic { WAIT_WAKE }
#endif
}

#if defined(FENCES_ITSELF) && !defined(NO_OWN_FENCE)
#define OWN_FENCE atomic { DRAIN(p) };
#else
#define OWN_FENCE
#endif

/* store_word_looking, or the quick path; the same look twice in a row is one. */
inline publish(m)
{
#ifdef PUBLISH_FIRST
	STORE(p, SLOT(p, m), 2)
#else
	if
	:: F & 1 -> commit_waking(m)
	:: else -> STORE(p, SLOT(p, m), 2)
	fi
#endif
}

inline look_for_sleepers()
{
	OWN_FENCE
	if
	:: F & 1 -> atomic { DRAIN(p); WAIT_WAKE }
	:: else
	fi
}

inline close()
{
	atomic { DRAIN(p); mem[BEGUN(p)] = MESSAGES + 1 };
	atomic { F = F + 2 };
#ifdef CLOSE_TWO_CALLS
	owner[p] = CLOSED;
#else
	atomic { owner[p] = CLOSED; WAKE_ALL };
#endif
	atomic { WAIT_WAKE };
	seat[p] = false
}

#ifdef BATCH
#define STEP_OF MESSAGES
#else
#define STEP_OF 1
#endif

proctype publisher(byte p)
{
	byte m, i, k;
	{
		do
		:: m < MESSAGES ->
#ifndef BEGUN_LATE
			STORE(p, BEGUN(p), m + STEP_OF);
#endif
			OWN_FENCE
			publish(m);
#ifdef BEGUN_LATE
			STORE(p, BEGUN(p), m + STEP_OF);
#endif
#ifdef BATCH
			STORE(p, SLOT(p, m + 1), 2);
#endif
			STORE(p, POSITION(p), m + STEP_OF);
			look_for_sleepers();
			m = m + STEP_OF
		:: else -> break
		od;
		close();
		atomic { seat_lock[p] = 0; m = 0 }
	} unless {
		dead[p]
	}
}

/* ---- sleeper ----------------------------------------------------------------------------- */

/* Only where the kernel says that the holder is dead; under its byte; the seat is freed last. */
inline repair(p)
{
	if
	:: atomic { seat[p] && seat_lock[p] == 0 -> seat_lock[p] = 2 + s };
		if
		:: seat[p] ->
			if
			:: owner[p] == TAKEN ->
				atomic { /* the owner is dead: only we write here */
					end = mem[POSITION(p)];
					do
					:: end < MESSAGES && mem[SLOT(p, end)] == 2 -> end++
					:: else -> break
					od;
					mem[POSITION(p)] = end
				};
				atomic { mem[BEGUN(p)] = end; end = 0 };
				owner[p] = DIED
			:: else
			fi;
			atomic { WAIT_WAKE };
			seat[p] = false
		:: else
		fi;
		seat_lock[p] = 0
	:: else
	fi
}

/* An acquire load of the slot's word. */
inline look_in_lane(p)
{
	atomic {
		if
		:: IS_THERE(s, p) -> next[s * PUBLISHERS + p]++; f = 0; goto again
		:: else
		fi
	}
}

/* One lane after another. Then topic_ended, whose double look makes it one moment, and again. */
inline look()
{
	look_in_lane(0);
#if PUBLISHERS == 2
	look_in_lane(1)
#endif
}

#if PUBLISHERS == 1
#define ENDED (owner[0] == CLOSED)
#else
#define ENDED (owner[0] == CLOSED && owner[1] == CLOSED)
#endif

inline look_to_the_end()
{
	look();
	if
	:: ENDED -> look(); goto done
	:: else
	fi
}

#ifdef FENCES_ITSELF
#define MEMBARRIER
#else
#ifdef NO_MEMBARRIER
#define MEMBARRIER
#else
#define MEMBARRIER                                                                                 \
	atomic {                                                                                   \
		do                                                                                 \
		:: i < PUBLISHERS -> DRAIN(i); i++                                                 \
		:: else -> i = 0; break                                                            \
		od                                                                                 \
	}
#endif
#endif

/* commit_under_way: begun, then the owner, then position. */
inline ask_for_begun_in(p)
{
	begun = mem[BEGUN(p)];
	if
	:: atomic { owner[p] == TAKEN -> skip };
		if
		:: atomic { begun != mem[POSITION(p)] -> sliced[s] = true; begun = 0 };
			repair(p)
		:: atomic { begun == mem[POSITION(p)] -> begun = 0 }
		fi
	:: atomic { owner[p] != TAKEN -> begun = 0 }
	fi
}

inline ask_for_begun()
{
#ifndef NO_UNSETTLED
	ask_for_begun_in(0);
#if PUBLISHERS == 2
	ask_for_begun_in(1)
#endif
#else
	skip
#endif
}

proctype sleeper(byte s)
{
	byte f, i, k, end, begun;
	{
		skip;
again:
		sliced[s] = false;
#ifdef BIT_LATE
		look_to_the_end();
		f = F | 1;
		MEMBARRIER;
		ask_for_begun();
		look_to_the_end();
		F = F | 1;
#else
		atomic { F = F | 1; f = F };
		MEMBARRIER;
#ifdef LOOK_FIRST
		look_to_the_end();
		ask_for_begun();
#else
		ask_for_begun();
		look_to_the_end();
#endif
#endif
		atomic {
			if
			:: F == f -> asleep[s] = true
			:: else
			fi;
			f = 0
		};
end_asleep:
		if
		:: !asleep[s]
		:: sliced[s] -> asleep[s] = false
		fi;
		goto again;
done:
		skip
	} unless {
		SLEEPER_DEAD(s)
	}
}

/* ---- the kernel, and what must hold ------------------------------------------------------- */

/* One signal: stores become visible, locks are dropped, it sleeps no more. How many there will be is
 * settled at the beginning; one that finds nobody does not come. */
proctype killer()
{
	byte k, i, left;
	select (left : 0 .. DEATHS);
end:
	do
	:: atomic { left && !dead[0] && seat_lock[0] == 1 ->
		left--; DRAIN(0); dead[0] = true; seat_lock[0] = 0 }
#if PUBLISHERS == 2
	:: atomic { left && !dead[1] && seat_lock[1] == 1 ->
		left--; DRAIN(1); dead[1] = true; seat_lock[1] = 0 }
#endif
	:: atomic { left && !SLEEPER_DEAD(0) ->
		left--; SLEEPER_DEAD(0) = true; asleep[0] = false;
		for (i : 0 .. PUBLISHERS - 1) {
			if
			:: seat_lock[i] == 2 -> seat_lock[i] = 0
			:: else
			fi
		}
		i = 0 }
	od
}

/* Nothing moves any more. Who sleeps in slices moves. */
proctype judge()
{
	byte s, p;
	timeout;
	atomic {
		for (s : 0 .. SLEEPERS - 1) {
			for (p : 0 .. PUBLISHERS - 1) {
				assert(!(asleep[s] && IS_THERE(s, p)))
			}
			assert(!(asleep[s] && ENDED))
		}
	}
}

init {
	byte a;
	atomic {
		for (a : 0 .. PUBLISHERS - 1) {
			owner[a] = TAKEN;
			seat[a] = true;
			seat_lock[a] = 1;
			run memory(a);
			run publisher(a)
		}
		for (a : 0 .. SLEEPERS - 1) {
			run sleeper(a)
		}
		run killer();
		run judge()
	}
}
