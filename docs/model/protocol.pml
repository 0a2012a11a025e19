/* How a run's iterations survive lost calls, crashed workers and a restarted master: the rules of
 * master/scheduling/scheduler.py and of the workers, without data, clocks and wire. README.md says how to check it.
 * Each of these macros takes one rule away, and spin finds what then goes wrong:
 *   NO_FENCE             answers and orders are told apart by task and attempt, not by epoch and iteration
 *   NO_ATTEMPT_IN_NAME   a map task's file is named by its task alone
 *   CONDEMNED_COMES_BACK a late answer of an attempt given up is good enough for a task without output
 *   REDUCE_BEFORE_MAP    a reduce task whose fetch failed is ordered again before the map task is DONE
 *   NO_SUSPECT           a worker that did not answer may get new work before it is heard or lost
 */
#ifndef FAULTS
#define FAULTS 2                      /* in all, of any kinds */
#endif
#ifndef MAX_FAILURES
#define MAX_FAILURES 4                /* of a task */
#endif
#define ITERATIONS 2
#define MAPS 2                        /* map tasks, and as many mappers */
#define REDUCERS 1                    /* places a reduce task may run at */
#define ATTEMPTS (FAULTS + 1)         /* each attempt but the first is paid for by a fault */
#define STEPS (ITERATIONS * (FAULTS + 1) * ATTEMPTS)

#ifdef NO_ATTEMPT_IN_NAME
#define NAME(epoch, iteration, attempt) 0
#else
#define NAME(epoch, iteration, attempt) IDENTITY(epoch, iteration, attempt)
#endif
#define IDENTITY(epoch, iteration, attempt) \
    (((epoch) * ITERATIONS + (iteration)) * ATTEMPTS + (attempt) - 1)
#define FILE(place, task, name) files[((place) * MAPS + (task)) * STEPS + (name)]

#ifdef NO_FENCE
#define CURRENT(e, i) true
#else
#define CURRENT(e, i) ((e) == epoch && (i) == iteration)
#endif

mtype = { IDLE, RUNNING, DONE };                        /* TaskState; FAILED is `failed` */
mtype = { MAPPED, REDUCED, FAILED, FETCH_FAILED };      /* answers */

/* epoch, iteration, task, attempt */
chan map_orders[MAPS] = [4] of { byte, byte, byte, byte };
/* epoch, iteration, attempt; where the output of task 0 is, and its attempt; task 1's */
chan reduce_orders[REDUCERS] = [4] of { byte, byte, byte, byte, byte, byte, byte };
/* what, epoch, iteration, task, attempt, then: the mapper of MAPPED; the value of REDUCED;
   FAILED: whether of a reduce task; FETCH_FAILED: attempt of the reduce task */
chan answers = [6] of { mtype, byte, byte, byte, byte, byte };

byte files[MAPS * MAPS * STEPS];      /* on the mappers' disks: 1 + IDENTITY of who wrote it; 0: no file */
byte incarnation[MAPS];
byte reducer_incarnation[REDUCERS];
bool lost[MAPS];                      /* the cluster declares it dead, the master has yet to read it */
bool reducer_lost[REDUCERS];
byte faults;                          /* that have happened */
bool finished, failed;

byte epoch, iteration;                /* the master's; iteration is its checkpoint */

#define FAULTY (faults < FAULTS)       /* one more may happen */
#define GOING_ON (!finished && !failed)

/* A mapper has two threads: one may be stuck in what nobody waits for any more; then the spare takes over. */
bool busy[MAPS];

proctype Mapper(byte place; bool spare) {
    byte e, i, task, attempt, mine;
    byte newest_e = 0, newest_i = 0;
end:
    do
    :: atomic { GOING_ON && busy[place] == spare && nempty(map_orders[place]) ->
        map_orders[place]?e, i, task, attempt;
        busy[place] = true;
        mine = incarnation[place];
        if
        :: true
        :: FAULTY -> faults++; map_orders[place]!e, i, task, attempt       /* the order arrives twice */
        fi
#ifndef NO_FENCE
        if
        :: e < newest_e || (e == newest_e && i < newest_i) -> mine = 255    /* refused */
        :: else -> newest_e = e; newest_i = i
        fi
#endif
       }
       atomic {                       /* however late */
        if
        :: mine != incarnation[place]                           /* refused, or it died meanwhile */
        :: mine == incarnation[place] ->
            FILE(place, task, NAME(e, i, attempt)) = 1 + IDENTITY(e, i, attempt);
            answers!MAPPED(e, i, task, attempt, place)
        :: mine == incarnation[place] && FAULTY -> faults++; answers!FAILED(e, i, task, attempt, 0)
        fi;
        busy[place] = (spare -> busy[place] : false);
        e = 0; i = 0; task = 0; attempt = 0; mine = 0
       }
    od
}

proctype Reducer(byte place) {
    byte e, i, attempt, mine, read, right;
    byte where[MAPS], made[MAPS], task;
end:
    do
    :: atomic { GOING_ON && nempty(reduce_orders[place]) ->
        reduce_orders[place]?e, i, attempt, where[0], made[0], where[1], made[1] ->
        mine = reducer_incarnation[place]; task = 0; right = 1
       }
       do
       :: atomic { task < MAPS && mine == reducer_incarnation[place] ->
            read = FILE(where[task], task, NAME(e, i, made[task]));
            if
            :: read > 0 -> right = right && read == 1 + IDENTITY(e, i, made[task]); task++
            :: read == 0 -> answers!FETCH_FAILED(e, i, task, made[task], attempt); mine = 255
            :: read > 0 && FAULTY -> faults++;
                answers!FETCH_FAILED(e, i, task, made[task], attempt); mine = 255
            fi }
       :: atomic { task == MAPS && mine == reducer_incarnation[place] ->
            answers!REDUCED(e, i, 0, attempt, (right -> 1 + i : 0)); mine = 255 }
       :: mine != reducer_incarnation[place] -> break
       od;
       atomic { e = 0; i = 0; attempt = 0; mine = 0; read = 0; right = 0; task = 0;
                where[0] = 0; where[1] = 0; made[0] = 0; made[1] = 0 }
    od
}

/* The master: its tasks, and what it knows of the workers. */
mtype state[MAPS], reduce_state;
byte attempts[MAPS], at[MAPS], failures[MAPS], condemned[MAPS];
byte reduce_attempts, reduce_at, reduce_failures, given[MAPS];
bool suspect[MAPS], reducer_suspect[REDUCERS];

#define MAPS_DONE (state[0] == DONE && state[1] == DONE)
#ifdef NO_SUSPECT
#define MAY_GET_WORK(place) true
#else
#define MAY_GET_WORK(place) (!suspect[place])
#endif

inline start_stage() {
    t = 0;
    do
    :: t < MAPS -> state[t] = IDLE; attempts[t] = 0; at[t] = 0; failures[t] = 0; condemned[t] = 0;
        given[t] = 0; t++
    :: else -> break
    od;
    reduce_state = IDLE; reduce_attempts = 0; reduce_at = 0; reduce_failures = 0; t = 0
}

inline charge(task) {
    state[task] = IDLE; failures[task]++;
    assert(failures[task] <= faults);                           /* the budget burns by faults alone */
    failed = failed || failures[task] >= MAX_FAILURES
}

inline charge_reduce() {
    reduce_state = IDLE; reduce_failures++;
    assert(reduce_failures <= faults);
    failed = failed || reduce_failures >= MAX_FAILURES
}

inline order_map(task) { map_orders[at[task]]!epoch, iteration, task, attempts[task] }
inline order_reduce() {
    reduce_orders[reduce_at]!epoch, iteration, reduce_attempts, at[0], given[0], at[1], given[1]
}

proctype Master() {
    byte t, p, e, i, a, x;
    mtype what;
    atomic { start_stage() }
    do
    :: atomic { finished || failed -> break }

    /* ASSIGN */
    :: atomic { GOING_ON && (state[0] == IDLE || state[1] == IDLE) && (MAY_GET_WORK(0) || MAY_GET_WORK(1)) ->
        if
        :: state[0] == IDLE -> t = 0
        :: state[1] == IDLE -> t = 1
        fi;
        if
        :: MAY_GET_WORK(0) -> at[t] = 0
        :: MAY_GET_WORK(1) -> at[t] = 1
        fi;
        attempts[t]++; state[t] = RUNNING;
        assert(attempts[t] <= ATTEMPTS);
        order_map(t); t = 0 }
    :: atomic { GOING_ON && reduce_state == IDLE &&
#ifdef REDUCE_BEFORE_MAP
        (MAPS_DONE || reduce_attempts > 0) &&
#else
        MAPS_DONE &&
#endif
        !reducer_suspect[0] ->
        reduce_attempts++; reduce_state = RUNNING; given[0] = attempts[0]; given[1] = attempts[1];
        assert(reduce_attempts <= 1 + MAPS * faults);           /* no more than the faults explain */
        order_reduce() }

    /* SUCCEED, STOP, LOSE: answers */
    :: atomic { answers?what, e, i, t, a, x ->
        if
        :: !CURRENT(e, i)                                       /* stale: dropped */
        :: CURRENT(e, i) && what == MAPPED ->
            if
            :: state[t] == RUNNING && attempts[t] == a -> state[t] = DONE
#ifdef CONDEMNED_COMES_BACK
            :: state[t] == IDLE && attempts[t] == a -> state[t] = DONE; at[t] = x
#endif
            :: else
            fi;
            assert(state[t] != DONE || !(condemned[t] & (1 << attempts[t])))
        :: CURRENT(e, i) && what == FAILED ->
            if
            :: state[t] == RUNNING && attempts[t] == a -> charge(t)
            :: else
            fi
        :: CURRENT(e, i) && what == REDUCED ->
            if
            :: reduce_state == RUNNING && reduce_attempts == a ->
                assert(x == 1 + iteration);                     /* made of this iteration's outputs */
                iteration++;                                    /* checkpoint */
                finished = iteration == ITERATIONS;
                start_stage()
            :: else
            fi
        :: CURRENT(e, i) && what == FETCH_FAILED ->
            if
            :: reduce_state == RUNNING && reduce_attempts == x ->
                reduce_state = IDLE;
                if
                :: state[t] == DONE && attempts[t] == a ->
                    condemned[t] = condemned[t] | (1 << a); suspect[at[t]] = true; charge(t)
                :: else                                         /* is being made again */
                fi
            :: else
            fi
        fi;
        what = 0; e = 0; i = 0; t = 0; a = 0; x = 0 }

    /* A call breaks; its order may have arrived, or may still arrive. */
    :: atomic { GOING_ON && FAULTY && (state[0] == RUNNING || state[1] == RUNNING) ->
        if
        :: state[0] == RUNNING -> t = 0
        :: state[1] == RUNNING -> t = 1
        fi;
        faults++; suspect[at[t]] = true;
        if
        :: nempty(map_orders[at[t]]) -> map_orders[at[t]]?e, i, x, a; /* some order is lost there */
            if
            :: e == epoch && i == iteration && x == t && a == attempts[t] -> skip
            :: else -> map_orders[at[t]]!e, i, x, a
            fi
        :: true
        fi;
        if
        :: state[t] = RUNNING; order_map(t)                     /* heard again: asked for the same */
        :: charge(t)                                            /* too many interruptions */
        fi;
        e = 0; i = 0; t = 0; a = 0; x = 0 }
    :: atomic { GOING_ON && reduce_state == RUNNING && FAULTY ->
        faults++;
        if
        :: order_reduce()
        :: charge_reduce()
        fi }

    /* What the cluster says. */
    :: atomic { GOING_ON && (suspect[0] && !lost[0]) -> suspect[0] = false }
    :: atomic { GOING_ON && (suspect[1] && !lost[1]) -> suspect[1] = false }
    :: atomic { GOING_ON && (lost[0] || lost[1]) ->
        if
        :: lost[0] -> p = 0
        :: lost[1] -> p = 1
        fi;
        lost[p] = false; suspect[p] = false; t = 0;
        do
        :: t < MAPS ->
            if
            :: state[t] == RUNNING && at[t] == p -> charge(t)
            :: state[t] == DONE && at[t] == p -> state[t] = IDLE; condemned[t] = condemned[t] | (1 << attempts[t])
            :: else
            fi;
            t++
        :: else -> break
        od;
        p = 0; t = 0 }
    :: atomic { GOING_ON && reducer_lost[0] ->
        reducer_lost[0] = false;
        if
        :: reduce_state == RUNNING -> charge_reduce()
        :: else
        fi }

    /* The master is killed; another resumes from the checkpoint. */
    :: atomic { GOING_ON && FAULTY -> faults++; epoch++; start_stage();
        lost[0] = false; lost[1] = false; suspect[0] = false; suspect[1] = false; reducer_lost[0] = false }
    od;
    assert(finished || faults >= MAX_FAILURES)
}

/* A process dies, and what it had with it; another takes its place. */
proctype Death() {
    byte p, n;
end:
    do
    :: atomic { GOING_ON && FAULTY ->
        if
        :: p = 0
        :: p = 1
        fi;
        faults++; incarnation[p]++; lost[p] = true; n = 0;
        do
        :: n < MAPS * STEPS -> files[p * MAPS * STEPS + n] = 0; n++
        :: else -> break
        od;
        do
        :: nempty(map_orders[p]) -> map_orders[p]?_, _, _, _
        :: empty(map_orders[p]) -> break
        od;
        p = 0; n = 0 }
    :: atomic { GOING_ON && FAULTY ->
        faults++; reducer_incarnation[0]++; reducer_lost[0] = true;
        do
        :: nempty(reduce_orders[0]) -> reduce_orders[0]?_, _, _, _, _, _, _
        :: empty(reduce_orders[0]) -> break
        od }
    od
}

init {
    atomic {
        run Mapper(0, false); run Mapper(0, true); run Mapper(1, false); run Mapper(1, true);
        run Reducer(0); run Master(); run Death()
    }
}
