/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats and repair: who takes a seat, owns a lane through it, and leaves or dies; who repairs what
 * the dead left, and dies in it. Nobody robs the living, and one look by a survivor frees what the
 * dead held.
 *
 * RIGHT    two, and a death                 -DACTORS=2
 * FULL     two, and three deaths            -DACTORS=2 -DDEATHS=3
 * FULL     three, and two deaths            -DACTORS=3 -DDEATHS=2
 * FULL     two seats                        -DACTORS=2 -DSEATS=2 -DDEATHS=2
 * WRONG    the byte is not held in a repair -DNO_LOCK -DACTORS=3
 * WRONG    the seat is freed first          -DFREE_FIRST
 * WRONG    who enters does not repair       -DENTERS_UNREPAIRED
 * WRONG    a leaver unlocks first          -DUNLOCKS_FIRST
 * WRONG    a leaver frees, then gives back  -DLEAVES_FIRST
 * WRONG    the slow are taken for dead      -DSLOW_IS_DEAD
 *
 * WHAT STANDS FOR WHAT
 *   take_seat    seat_lock, find_free_byte (src/seat/seat.c): the lowest byte that nobody holds
 *   enter        object_enter_seat (src/object/object.c): repair of what the byte's last holder
 *                left, a new generation, JOINING; then settle's TAKEN
 *   work         take_lane, topic_take_lane_from, try_take (src/topic): an owner word by CAS. Then
 *                messages: the slot's word (`last`) and `position` behind it, which is what repair
 *                makes true. Plain stores: safe only because there is one writer
 *   roll         object_roll_seat, topic_repair, leave_lane (src/topic/topic.c), lane_settle
 *   repair       object_repair_seat: look, ask the kernel, lock the byte by a fresh description, look
 *                again, roll, unlock
 *   leave        object_close, seat_unlock
 *   A lane is 0 when it is free (FREE, CLOSED, DIED), else the tag of its owner; a seat's word is
 *   its state and generation.
 *
 * MEMORY. The words are looked at and changed with sequential consistency, and so are position and
 * begun in a repair; the locks are system calls. What an owner stored with release or relaxed is
 * visible before its byte comes free: the kernel lies between. So steps one after another are all
 * there is.
 *
 * LEFT OUT. The lifetime word: lifetime.pml. Entries of subscribers: freed by one CAS, a lane by
 * that and more. Sleepers: sleep.pml. Generations wrap after 2^32 joins of one seat.
 *
 * BOUNDS. ACTORS that each come, work and leave once, SEATS seats, one lane, DEATHS kills; then a
 * survivor that looks once at each seat.
 */
#ifndef ACTORS
#define ACTORS 2
#endif
#ifndef SEATS
#define SEATS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

mtype = { FREE, JOINING, TAKEN, LEAVING };

#define SURVIVOR ACTORS
#define NOBODY   255

/* A tag: seat and generation. 0 is none: generations begin with 1. */
#define TAG(s, g) ((s) + SEATS * (g))

mtype state[SEATS] = FREE;
byte generation[SEATS];
byte lock[SEATS] = NOBODY;
byte lane, last, position;
byte departures;
bool dead[ACTORS + 1];
byte ended;

/* The rest of a repair of tag t, by whoever may: the holder of the byte. */
inline roll(s, g)
{
#ifdef FREE_FIRST
	atomic {
		if
		:: state[s] != FREE && generation[s] == g -> state[s] = FREE
		:: else
		fi
	};
#endif
	if
	:: lane == TAG(s, g) ->
		seen = last;
		atomic { position = seen; seen = 0 };
		departures++;
		atomic { lane = (lane == TAG(s, g) -> 0 : lane) }
	:: else
	fi;
}

inline free_seat(s, g)
{
	atomic {
		if
		:: state[s] != FREE && generation[s] == g -> state[s] = FREE
		:: else
		fi
	}
}

/* What it saw before it had the byte is worth nothing: it looks again. */
inline repair(s)
{
	if
	:: atomic { state[s] == FREE || mine == s -> skip }
#ifdef SLOW_IS_DEAD
	:: atomic { state[s] != FREE && mine != s -> other = generation[s] };
		roll(s, other);
		free_seat(s, other);
		other = 0
#else
#ifdef NO_LOCK
	:: atomic { state[s] != FREE && mine != s -> skip };
		if
		:: atomic { lock[s] == NOBODY -> other = generation[s] };
			roll(s, other);
			free_seat(s, other);
			other = 0
		:: lock[s] != NOBODY
		fi
#else
	:: atomic { state[s] != FREE && mine != s -> skip };
		if
		:: lock[s] != NOBODY
		:: lock[s] == NOBODY ->
			if
			:: lock[s] != NOBODY
			:: atomic { lock[s] == NOBODY -> lock[s] = me };
				if
				:: atomic { state[s] != FREE -> other = generation[s] };
					roll(s, other);
					free_seat(s, other);
					other = 0
				:: atomic { state[s] == FREE -> skip }
				fi;
				lock[s] = NOBODY
			fi
		fi
#endif
#endif
	fi
}

inline repair_all()
{
	repair(0);
#if SEATS == 2
	repair(1)
#endif
}

inline take_seat()
{
	if
	:: atomic { lock[0] == NOBODY -> lock[0] = me; mine = 0 }
	:: lock[0] != NOBODY ->
#if SEATS == 2
		if
		:: atomic { lock[1] == NOBODY -> lock[1] = me; mine = 1 }
		:: lock[1] != NOBODY
		fi
#endif
	fi
}

inline enter()
{
#ifndef ENTERS_UNREPAIRED
	if
	:: atomic { state[mine] != FREE -> other = generation[mine] };
		roll(mine, other);
		free_seat(mine, other);
		other = 0
	:: atomic { state[mine] == FREE -> skip }
	fi;
#endif
	atomic { generation[mine]++; state[mine] = JOINING };
	atomic { my_tag = TAG(mine, generation[mine]); state[mine] = TAKEN }
}

/* Nobody takes away what is mine, nor writes there. */
inline still_mine()
{
	assert(lane == my_tag && position == next)
}

inline publish()
{
	atomic { still_mine(); last = next + 1 };
	atomic { assert(lane == my_tag && last == next + 1); next++; position = next };
	atomic { still_mine() }
}

inline work()
{
	if
	:: atomic { lane == 0 -> lane = my_tag };
		/* settles for itself: lane_writer_open */
		atomic { next = last; position = last };
		publish();
		publish()
	:: lane != 0
	fi
}

inline leave()
{
	repair_all();
#ifdef UNLOCKS_FIRST
	lock[mine] = NOBODY;
#endif
#ifdef LEAVES_FIRST
	free_seat(mine, my_tag / SEATS);
#endif
	roll(mine, my_tag / SEATS);
	state[mine] = LEAVING;
	free_seat(mine, my_tag / SEATS);
	atomic { lock[mine] = (lock[mine] == me -> NOBODY : lock[mine]); mine = NOBODY; my_tag = 0; next = 0 }
}

proctype actor(byte me)
{
	byte mine = NOBODY, my_tag, next, seen, other;
	{
		take_seat();
		if
		:: mine == NOBODY -> repair_all() /* as if it waited for somebody in there */
		:: else ->
			enter();
			work();
			leave()
		fi;
		atomic { ended++; dead[me] = true }
	} unless {
		atomic { dead[me] -> mine = 0; my_tag = 0; next = 0; seen = 0; other = 0 }
	}
}

/* One look frees it all. */
proctype survivor(byte me)
{
	byte mine = NOBODY, seen, other;
	byte s;
end_not_yet:
	ended == ACTORS;
	repair_all();
	for (s : 0 .. SEATS - 1) {
		assert(state[s] == FREE && lock[s] == NOBODY)
	}
	assert(lane == 0);
	assert(position == last)
}

proctype killer()
{
	byte a, s, left;
	select (left : 0 .. DEATHS);
end:
	do
	:: atomic {
		left && ended < ACTORS;
		select (a : 0 .. ACTORS - 1);
		if
		:: !dead[a] ->
			left--;
			dead[a] = true;
			ended++;
			for (s : 0 .. SEATS - 1) {
				lock[s] = (lock[s] == a -> NOBODY : lock[s])
			}
			s = 0
		:: else
		fi;
		a = 0 }
	od
}

init {
	byte a;
	atomic {
		for (a : 0 .. ACTORS - 1) {
			run actor(a)
		}
		run survivor(SURVIVOR);
		run killer()
	}
}
