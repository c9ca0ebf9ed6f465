/* What protocol in spin_test.go does, as a Promela model: tracers attach to a running tracee, wait for its stop, and let it
 * go, each some rounds long, while the tracees make calls. A call is a begin, the effect, and an end, as in the engine; the
 * kernel's part of a stop is that of signal_wake_up, get_signal, ptrace_stop and do_notify_parent_cldstop.
 *
 * spin -a protocol.pml && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m100000
 */
#define PAIRS 2
#define ROUNDS 2
#define CALLS 2

mtype = { running, interruptible, traced };

mtype tracee[PAIRS];          /* state of each tracee */
mtype tracer[PAIRS];          /* state of each tracer */
bool sigpending[PAIRS];       /* TIF_SIGPENDING, and SIGSTOP in the queue */
bool attached[PAIRS];
bool report[PAIRS];           /* a stop that nobody has waited for */
bool parked[PAIRS];           /* the tracer's end */

active [PAIRS] proctype Tracee() {
	byte me = _pid, left = CALLS, at = 0;
	tracee[me] = running;
	do
	:: tracee[me] == running && sigpending[me] ->      /* get_signal: dequeue, and report */
		atomic {
			sigpending[me] = false;
			if
			:: attached[me] -> tracee[me] = traced; report[me] = true
			:: else
			fi
		}
		if
		:: report[me] ->                           /* do_notify_parent_cldstop wakes who waits */
			atomic {
				if
				:: tracer[me] == interruptible -> tracer[me] = running
				:: else
				fi
			}
			tracee[me] == running              /* until the tracer lets it go */
		:: else
		fi
	:: tracee[me] == running && left > 0 && at == 0 -> at = 1                   /* begin */
	:: tracee[me] == running && at == 1 -> at = 2                               /* the call */
	:: tracee[me] == running && at == 2 -> atomic { at = 0; left-- }            /* end */
	:: tracee[me] == running && left == 0 && !attached[me] && !sigpending[me] && parked[me] -> break
	od
}

active [PAIRS] proctype Tracer() {
	byte me = _pid - PAIRS, left = ROUNDS;
	tracer[me] = running;
	do
	:: left > 0 ->
		skip;                                              /* begin of ATTACH */
		atomic { attached[me] = true; sigpending[me] = true };
		skip;                                              /* its end */
		skip;                                              /* begin of wait4 */
again:		atomic {
			if
			:: report[me] -> report[me] = false
			:: else -> tracer[me] = interruptible; goto asleep
			fi
		};
		goto waited;
asleep:		tracer[me] == running;
		goto again;
waited:		skip;                                              /* its end */
		skip;                                              /* begin of DETACH */
		atomic { attached[me] = false; tracee[me] = running };
		skip;                                              /* its end */
		left--
	:: else -> break
	od;
	parked[me] = true
}
