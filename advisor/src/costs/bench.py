"""Measures the cases of cases.py on the interpreter that runs it, and prints one JSON object.

    bench.py [--repeats N] [--target MS] [--only KEY] [--no-modes] [--traps | --fair]

The sides of a case are timed in turn, slow fast fast slow, in one process; the modes of the whole
interpreter in processes of their own, in the same turn.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import sysconfig
import time
import types

import cases

WORK = r"""
import sys, time
class P:
    def __init__(self, x): self.x = x
    def add(self, o): return self.x + o.x
K = 3
def leaf(a, b): return a + b
def work(n):
    p = P(1); q = P(2); l = [1, 2, 3]; d = {'k': 1}; t = 0
    for i in range(n):
        t += p.add(q) + K + l[i % 3] + d['k']
        t = leaf(t, len(l))
        if t > 1000000: t = 0
    return t
work(20000)
"""
TIMED = r"""
best = 1e9
for _ in range(5):
    begin = time.perf_counter(); work(10000); best = min(best, time.perf_counter() - begin)
sys.stdout.write('RESULT %r' % best)
"""


def module(case, side):
    body = case["base"]
    if side in ("slow", "fast"):
        body = has_jit() and case["jit_body"] or case[side + "_body"] or case["body"]
    setup = case["slow" if side == "slow" else "fast"]
    loop = "def hot(n):\n %s\n for i in range(n):\n  %s\n" % (case["prep"] or "pass", body)
    space = types.ModuleType("%s_%s" % (side, case["key"]))
    exec(compile("\n".join([case["common"], setup, loop]), space.__name__, "exec"), space.__dict__)
    return space


def value_facts(space, probe):
    """What of a value costs time besides the cause that is measured."""
    first, second = eval(probe, space.__dict__), eval(probe, space.__dict__)
    count = sys.getrefcount(first)
    is_small = type(first) is int and -5 <= first <= 256 or first is None or first is True or first is False
    return {
        "type": type(first).__name__,
        "made anew": first is not second,
        "immortal": is_small or count > 1 << 29,
        "references": "many" if count > 2000 else "few",
    }


def unfair(slow, fast, probe):
    """In what the values of the two sides differ; nothing if the pair is fair."""
    if probe is None:
        return []
    one, two = value_facts(slow, probe), value_facts(fast, probe)
    return ["%s: %s, %s" % (name, one[name], two[name]) for name in one if one[name] != two[name]]


def timed(function, count):
    begin = time.perf_counter()
    function(count)
    return (time.perf_counter() - begin) / count * 1e9


def calibrate(function, target_ms):
    count = 16
    while True:
        spent = timed(function, count) * count / 1e6
        if spent >= target_ms or count > 10000000:
            return count
        count = int(count * min(10, max(1.5, target_ms / max(spent, 1e-4) * 1.1)))


def measure(case, options):
    # The fast side first: what the slow one spoils must find it warm.
    fast, base = module(case, "fast"), module(case, "base")
    for _ in range(1100 if case["warm"] else 2):
        fast.hot(2)
        base.hot(2)
    slow = module(case, "slow")
    for _ in range(1100 if case["warm"] else 2):
        slow.hot(2)
    differences = unfair(slow, fast, case["probe"])
    target = options.target * (40 if case["key"] == "gc.freeze" else 1)  # full collections are rare
    counts = {side.__name__: calibrate(side.hot, target) for side in (slow, fast, base)}
    times = {"slow": [], "fast": [], "base": []}
    for turn in range(options.repeats):
        order = [("slow", slow), ("fast", fast)] if turn % 2 == 0 else [("fast", fast), ("slow", slow)]
        for name, side in order + [("base", base)]:
            times[name].append(timed(side.hot, counts[side.__name__]))
    return dict(times, key=case["key"], unfair=differences)


def measure_apart(case, options):
    command = [sys.executable, os.path.abspath(__file__), "--only", case["key"]]
    command += ["--repeats", str(options.repeats), "--target", str(options.target), "--here"]
    return json.loads(subprocess.check_output(command).decode())["cases"][0]


def run_mode(flags, env, prelude):
    command = [sys.executable] + flags + ["-c", WORK + prelude + "\n" + TIMED]
    done = subprocess.run(command, env=dict(os.environ, **env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = done.stdout.decode()
    return float(text.rpartition("RESULT ")[2]) * 1e9 if "RESULT " in text else None


def measure_mode(mode, options):
    times = {"slow": [], "fast": []}
    for turn in range(min(8, max(4, options.repeats // 2))):
        sides = [("slow", (mode["flags"], mode["env"], mode["prelude"])), ("fast", ([], mode["fast_env"], ""))]
        for name, arguments in sides if turn % 2 == 0 else sides[::-1]:
            spent = run_mode(*arguments)
            if spent is None:
                return None
            times[name].append(spent)
    return dict(times, base=[], key=mode["key"], unfair=[])


def has_pgo():
    """Whether the interpreter was built with a profile of a training run; None if that cannot be told.

    Configure has an option for it, but Debian trains without that option and takes all traces of it
    out of what `sysconfig` says. The binary tells: two functions that are neighbours in `object.c` stand
    far apart if one of them was run in training and the other was not.
    """
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return True
    try:
        import ctypes

        api = [getattr(ctypes.pythonapi, name) for name in ("PyObject_Repr", "PyObject_Print")]
    except (ImportError, AttributeError):
        return None
    trained, untrained = [ctypes.cast(function, ctypes.c_void_p).value for function in api]
    return abs(trained - untrained) > 0x10000


def has_jit():
    jit = getattr(sys, "_jit", None)
    return bool(jit and jit.is_enabled())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--target", type=float, default=4.0)
    parser.add_argument("--only")
    parser.add_argument("--traps", action="store_true")
    parser.add_argument("--fair", action="store_true", help="cases only, and none that spoils a process")
    parser.add_argument("--no-modes", action="store_true", help="leave out the modes of the whole interpreter")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    minor = sys.version_info[1]
    done, failed = [], []
    for case in cases.TRAPS if options.traps else cases.CASES:
        if not case["since"] <= minor <= case["until"] or options.only not in (None, case["key"]):
            continue
        if options.fair and case["own"]:
            continue
        try:
            apart = case["own"] and not options.here
            done.append((measure_apart if apart else measure)(case, options))
        except Exception as error:
            failed.append("%s: %r" % (case["key"], error))
    for mode in [] if options.traps or options.fair or options.no_modes else cases.MODES:
        if mode["since"] <= minor <= mode["until"] and options.only in (None, mode["key"]):
            result = measure_mode(mode, options)
            if result:
                done.append(result)
            else:
                failed.append(mode["key"])
    answer = {"version": list(sys.version_info[:3]), "machine": platform.machine(), "pgo": has_pgo(), "jit": has_jit()}
    print(json.dumps(dict(answer, cases=done, failed=failed)))


if __name__ == "__main__":
    main()
