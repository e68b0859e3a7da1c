/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lifetime: who makes, joins, leaves and removes objects of one name. Nobody becomes a member of an
 * object without a name, two objects of one name are never in use, and what nobody is in goes.
 *
 * RIGHT    two, and a death                 -DACTORS=2
 * RIGHT    one, and rm by force             -DACTORS=1 -DREMOVERS=1 -DFORCE
 * FULL     two, and two deaths              -DACTORS=2 -DDEATHS=2
 * FULL     three                            -DACTORS=3 -DDEATHS=0 -DOBJECTS=2
 * FULL     one, and rm                      -DACTORS=1 -DREMOVERS=1 -DDEATHS=2
 * FULL     two, and rm                      -DACTORS=2 -DREMOVERS=1 -DOBJECTS=2 -DDEATHS=0
 * FULL     two, and rm by force             -DACTORS=2 -DREMOVERS=1 -DFORCE -DOBJECTS=2 -DDEATHS=0
 * WRONG    it unlinks, then looks           -DUNLINK_FIRST
 * WRONG    looks before it is a member      -DLOOKS_EARLY
 * WRONG    a joiner vetoes nothing          -DNO_VETO
 * WRONG    looks for members too early      -DMEMBERS_EARLY
 * WRONG    a leaver is a member to the end  -DLEAVES_TAKEN -DDEATHS=0
 * WRONG    no name lock                     -DNO_NAME_LOCK -DACTORS=3 -DDEATHS=0
 * WRONG    it unlinks whatever is there     -DNO_NAME_LOOK
 * WRONG    leftovers are joined             -DLEFTOVER_JOINED
 * WRONG    REMOVED is left to its remover   -DNOT_FINISHED
 *
 * WHAT STANDS FOR WHAT
 *   make, visit     object_open, make, open_existing (src/object/object.c); segment_publish (linkat)
 *   settle          settle, after object_enter_seat
 *   has_member      has_member: for each seat its word, then its lock
 *   retire          object_retire, for leavers, joiners of a leftover, and rm (object_remove.c)
 *   finish          finish_removal: lock, look, unlink are three system calls. Who waits for the lock
 *                   of somebody alive waits here for as long as it takes; in the source that ends
 *                   with -EBUSY after two seconds
 *   leave           object_close, object_undo_seat
 *   last_visit      an open without SHOAL_CREATE when all others are done or dead
 *
 * MEMORY. All words are looked at and changed with sequential consistency, and the rest is system
 * calls: steps one after another are all there is. LOOKS_EARLY is what a weaker store of TAKEN does.
 *
 * LEFT OUT. Seats: each actor has its own (seats.pml shares one); so nobody meets the seat of
 * somebody dead, and that one's lock is free. Alerts: sleep.pml. Hidden names for want of O_TMPFILE:
 * they are names of their own.
 *
 * BOUNDS. ACTORS that open with SHOAL_CREATE, use it and leave; REMOVERS (0, 1) that do as shoal_remove, with
 * FORCE or without; DEATHS of any of them at any step; OBJECTS that can be made, then none any more.
 */
#ifndef ACTORS
#define ACTORS 2
#endif
#ifndef REMOVERS
#define REMOVERS 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef OBJECTS
#define OBJECTS 3
#endif
#define SEATS   (ACTORS + REMOVERS + 1) /* the last visitor's */
#define VISITOR (ACTORS + REMOVERS)

mtype = { FREE, JOINING, TAKEN, LEAVING };

/* An object is 1 to OBJECTS; 0 is none. Its arrays have a place for object 0 that is not used. */
#define SEAT(o, s) ((o) * SEATS + (s))
#define LIVE       1
#define REMOVED    2
#define REMOVING(s) (3 + (s))

byte name;                            /* which object it leads to */
byte made;                            /* how many there are */
byte lifetime[OBJECTS + 1];
mtype seat[(OBJECTS + 1) * SEATS] = FREE;
bool lock[(OBJECTS + 1) * SEATS];
byte name_lock[OBJECTS + 1];          /* whose, plus 1 */
byte inside[SEATS];                   /* of which object it is a member, by what its open said */
bool dead[SEATS];
byte ended;                           /* actors that are done or dead */
bool forced;                          /* somebody removes by force */
bool killed;                          /* somebody was */

/* ---- what must hold, where it might not -------------------------------------------------- */

/* When its open says so. Those who were in one that was removed by force stay in it. */
inline check_member()
{
	assert(name == o || forced);
	for (i : 0 .. SEATS - 1) {
		assert(inside[i] == 0 || inside[i] == o || forced)
	}
	i = 0;
	inside[me] = o
}

/* Force may come after the look, but not before. */
inline look_at_lifetime()
{
	seen = lifetime[o];
	assert(seen != LIVE || name == o)
}

inline loses_its_name()
{
	assert(name == o || name == 0); /* not somebody else's */
	for (i : 0 .. SEATS - 1) {
		assert(inside[i] != o || name == 0 || forced)
	}
	i = 0;
	name = 0
}

/* ---- the steps --------------------------------------------------------------------------- */

/* One seat after another: its word, then its lock. */
inline has_member(result)
{
	result = 0;
	do
	:: atomic { i < SEATS && (i == me || seat[SEAT(o, i)] != TAKEN) ->
		do
		:: i < SEATS && i == me -> i++
		:: else -> break
		od;
		i = (i < SEATS && seat[SEAT(o, i)] != TAKEN -> i + 1 : i) }
	:: atomic { i < SEATS && i != me && seat[SEAT(o, i)] == TAKEN -> skip };
		if
		:: atomic { lock[SEAT(o, i)] -> result = 1; i = 0 }; break
		:: atomic { !lock[SEAT(o, i)] -> i++ }
		fi
	:: atomic { i == SEATS -> i = 0 }; break
	od
}

inline finish()
{
	if
#ifndef NO_NAME_LOCK
	:: atomic { name_lock[o] == 0 -> name_lock[o] = me + 1 }
	:: name != o
#else
	:: true
#endif
	fi;
	if
#ifdef NO_NAME_LOCK
	:: name == o ->
#else
#ifdef NO_NAME_LOOK
	:: name_lock[o] == me + 1 ->
#else
	:: name_lock[o] == me + 1 && name == o ->
#endif
#endif
		atomic { loses_its_name() }
	:: else
	fi;
	atomic { name_lock[o] = (name_lock[o] == me + 1 -> 0 : name_lock[o]) }
}

/* found: 0 removed, 1 there is a member or somebody vetoed. */
inline retire(force)
{
#ifdef MEMBERS_EARLY
	has_member(found);
#endif
	do
	:: atomic { lifetime[o] != REMOVED -> lifetime[o] = REMOVING(me); seen = REMOVING(me) }; break
	:: atomic { lifetime[o] == REMOVED -> seen = REMOVED }; break
	od;
	if
	:: atomic { seen == REMOVED -> seen = 0; found = 0 };
#ifndef NOT_FINISHED
		finish()
#endif
	:: else ->
#ifdef UNLINK_FIRST
		atomic {
			if
			:: name == o -> loses_its_name()
			:: else
			fi
		};
#endif
#ifndef MEMBERS_EARLY
		if
		:: force -> found = 0
		:: else -> has_member(found)
		fi;
#endif
		if
		:: found ->
			atomic { /* back to LIVE, unless somebody changed it */
				lifetime[o] = (lifetime[o] == REMOVING(me) -> LIVE : lifetime[o]);
				seen = 0
			}
		:: else ->
			do
			:: atomic { lifetime[o] == seen -> lifetime[o] = REMOVED; seen = REMOVED };
				break
			:: atomic { lifetime[o] != seen -> seen = lifetime[o] };
				if
				:: seen == REMOVED -> break
				:: seen != REMOVED && force
				:: seen != REMOVED && !force -> found = 1; break
				fi
			od;
			if
			:: atomic { !found -> seen = 0 }; finish()
			:: atomic { found -> seen = 0 }
			fi
		fi
	fi
}

/* found: 0 a member, 1 it is gone. */
inline settle()
{
	do
	:: 
#ifdef LEFTOVER_JOINED
		found = 1;
#else
		has_member(found);
#endif
		if
		:: !found ->
			retire(false);
			if
			:: !found -> found = 1; break
			:: else /* a member came: join it */
			fi
		:: else ->
#ifdef LOOKS_EARLY
			atomic { look_at_lifetime() };
			seat[SEAT(o, me)] = TAKEN;
#else
			seat[SEAT(o, me)] = TAKEN;
			atomic { look_at_lifetime() };
#endif
#ifdef NO_VETO
			seen = (seen >= REMOVING(0) -> LIVE : seen);
#else
			if
			:: seen >= REMOVING(0) ->
				atomic { lifetime[o] = (lifetime[o] == seen -> LIVE : lifetime[o]) };
				atomic { look_at_lifetime() }
			:: else
			fi;
#endif
			if
			:: atomic { seen == LIVE -> check_member(); seen = 0; found = 0 }; break
			:: else -> seat[SEAT(o, me)] = JOINING;
				if
				:: atomic { seen == REMOVED -> seen = 0 };
#ifndef NOT_FINISHED
					finish();
#endif
					found = 1;
					break
				:: atomic { seen != REMOVED -> seen = 0 }
				fi
			fi
		fi
	od
}

inline undo_seat()
{
	seat[SEAT(o, me)] = FREE;
	atomic { lock[SEAT(o, me)] = false; o = 0; found = 0 }
}

inline leave()
{
	inside[me] = 0;
#ifndef LEAVES_TAKEN
	seat[SEAT(o, me)] = LEAVING;
#endif
	retire(false);
	undo_seat()
}

/* With its seat and all, complete, or not at all. */
inline make_or_open(create)
{
	do
	:: atomic { name != 0 -> o = name };
		atomic { lock[SEAT(o, me)] = true; seat[SEAT(o, me)] = JOINING };
		settle();
		if
		:: found == 0 -> break
		:: else ->
			undo_seat();
			assert(create || name == 0) /* whoever comes last takes it away at once */
		fi
	:: atomic { name == 0 && !create -> break }
	:: atomic { name == 0 && create && made < OBJECTS -> made++; o = made;
		lifetime[o] = LIVE; lock[SEAT(o, me)] = true; seat[SEAT(o, me)] = TAKEN };
		if
		:: atomic { name == 0 -> name = o; check_member() }; break
		:: atomic { name != 0 -> lock[SEAT(o, me)] = false; seat[SEAT(o, me)] = FREE; o = 0 }
		fi
	:: atomic { name == 0 && create && made == OBJECTS -> o = 0 }; break
	od
}

/* ---- actors ------------------------------------------------------------------------------ */

proctype actor(byte me)
{
	byte o, i, seen, found;
	{
		make_or_open(true);
		if
		:: o -> leave()
		:: else
		fi;
		atomic { ended++; dead[me] = true }
	} unless {
		atomic { dead[me] -> o = 0; i = 0; seen = 0; found = 0 }
	}
}

#ifdef FORCE
#define BY_FORCE true
#else
#define BY_FORCE false
#endif

#if REMOVERS
proctype remover(byte me)
{
	byte o, i, seen, found;
	{
		if
		:: atomic { name != 0 -> o = name; lock[SEAT(o, me)] = true; seat[SEAT(o, me)] = JOINING };
			forced = BY_FORCE;
			retire(BY_FORCE);
			undo_seat()
		:: name == 0
		fi;
		atomic { ended++; dead[me] = true }
	} unless {
		atomic { dead[me] -> o = 0; i = 0; seen = 0; found = 0 }
	}
}
#endif

/* Whoever lives has left; without deaths nothing is there any more. Whatever the dead left goes with
 * the next one to come, who finds nothing. */
proctype last_visit(byte me)
{
	byte o, i, seen, found;
end:
	ended == ACTORS + REMOVERS;
	assert(killed || name == 0);
	make_or_open(false);
	assert(o == 0 && name == 0)
}

/* ---- the kernel, and what must hold ------------------------------------------------------- */

proctype killer()
{
	byte s, o, left;
	select (left : 0 .. DEATHS);
end:
	do
	:: atomic {
			left && ended < ACTORS + REMOVERS;
			select (s : 0 .. ACTORS + REMOVERS - 1);
			if
			:: !dead[s] ->
				left--;
				killed = true;
				dead[s] = true;
				ended++;
				inside[s] = 0;
				for (o : 1 .. OBJECTS) {
					lock[SEAT(o, s)] = false;
					name_lock[o] = (name_lock[o] == s + 1 -> 0 : name_lock[o])
				}
				o = 0
			:: else
			fi;
			s = 0
		}
	od
}

init {
	byte a;
	atomic {
		for (a : 0 .. ACTORS - 1) {
			run actor(a)
		}
#if REMOVERS
		run remover(ACTORS);
#endif
		run last_visit(VISITOR);
		run killer()
	}
}
