"""What a lost optimization costs: pairs of small programs that differ in nothing but the cause.

Read by bench.py. A case is a cost key and the two sides of it. Each side is a module of its own:
`common`, then `slow` or `fast`, then

    def hot(n):
        <prep>
        for i in range(n):
            <body>

The time of the same loop around <base> is subtracted from both, so that a ratio is one of the
statements in <body>, not of the loop. `probe` names the value that the body works on: bench.py
refuses a pair whose values differ in type, in being made anew, in being immortal or in how often they
are referred to, as each of these costs time of its own.
"""

CASES = []
MODES = []


def case(key, common="", slow="", fast="", body="pass", **more):
    """Adds a case; see `DEFAULTS` for what else it may say."""
    unknown = set(more) - set(DEFAULTS)
    assert not unknown, unknown
    CASES.append(dict(DEFAULTS, key=key, common=common, slow=slow, fast=fast, body=body, **more))


DEFAULTS = {
    "prep": "",  # before the loop
    "base": "pass",  # the part of the body that is subtracted
    "slow_body": None,  # where the sides cannot share one
    "fast_body": None,
    "jit_body": None,  # for the JIT, which leaves out what nobody uses
    "probe": None,  # an expression after the body ran
    "since": 8,  # minor versions for which the case makes sense
    "until": 99,
    "own": False,  # spoils the process: measured in one of its own
    "warm": True,  # calls the loop often enough for the caches of 3.8 to 3.10
}


def mode(key, prelude="", flags=(), env=None, fast_env=None, since=8, until=99):
    """A state of the whole interpreter against the plain one."""
    MODES.append(dict(key=key, prelude=prelude, flags=list(flags), env=env or {}, fast_env=fast_env or {}, since=since, until=until))


def times(statement, count=8):
    return "; ".join([statement] * count)


# ---- globals
NAMES = """
A = 1 << 40
counter = 0
other = {'counter': 0}
KEYS = ['k%d' % i for i in range(64)]
"""
READS = times("A", 16)
USES = times("i < A", 16)
case("load_global.rebound", NAMES, "D = globals()", "D = other", "d['counter'] = i; " + READS, jit_body="d['counter'] = i; " + USES,
     prep="d = D", base="other['counter'] = i", probe="A")
case("load_global.keys", NAMES, "D = globals()", "D = other", "k = K[i & 63]; d[k] = i; " + READS + "; del d[k]", jit_body="k = K[i & 63]; d[k] = i; " + USES + "; del d[k]",
     prep="d = D; K = KEYS", base="k = K[i & 63]; other[k] = i; del other[k]", probe="A")
case("load_global.non_string", NAMES, "globals()[1] = 2", "globals()['one'] = 2", READS, jit_body=USES, probe="A", since=11)
SPEND = """
A = 1 << 40
def read(): A
def spend():
    d = globals()
    for _ in range(70000 * 54):
        d['tmp'] = 1; del d['tmp']
        read()
"""
case("load_global.out_of_versions", SPEND, "spend(); B = A", "B = A", times("B", 16), jit_body=times("i < B", 16), probe="B", since=12, own=True)
case("load_name", "", "CODE = compile('for i in R:\\n x = i; y = x; x = y; y = x; x = y; y = x', 'm', 'exec')", "",
     slow_body="exec(CODE, {'R': R})", fast_body="for i in R:\n   x = i; y = x; x = y; y = x; x = y; y = x",
     prep="R = range(100)", base="for i in R: pass")
case("load_attr.module_getattr", "import types\nV = object()\nM = types.ModuleType('M')",
     "M.__getattr__ = lambda name: V", "M.x = V", times("m.x", 4), prep="m = M", probe="M.x")

# ---- objects
POINT = """
V = object()
class P:
    def __init__(self): self.x = V; self.y = V
class Q(P): pass
"""
LOOP = dict(prep="O = OBJS", base="o = O[i & 63]", probe="OBJS[0].x")
GET = "o = O[i & 63]; " + times("o.x; o.y", 4)
PUT = "o = O[i & 63]; " + times("o.x = v; o.y = v", 4)
STORE = dict(LOOP, prep="O = OBJS; v = V")
ONE = "OBJS = [Q() for _ in range(64)]"
DEFAULT = "class Q(P): x = V; y = V\n" + ONE
case("load_attr.class_value", POINT, DEFAULT, ONE, GET, **LOOP)
case("store_attr.class_value", POINT, DEFAULT, ONE, PUT, **STORE)
CLASS_ONLY = "class R:\n x = V; y = V\nOBJS = [R() for _ in range(64)]"
case("load_attr.class_value_read", POINT, CLASS_ONLY, ONE, GET, **LOOP)
OBJECT = POINT + "class E: pass\n"
case("load_attr.mutable_class", OBJECT, "class Q(P): x = E(); y = E()\n" + ONE, ONE, GET, **LOOP)
TOUCH = ONE + "\nfor o in OBJS: o.__dict__"
case("load_attr.dict", POINT, TOUCH, ONE, GET, **LOOP)
case("store_attr.dict", POINT, TOUCH, ONE, PUT, **STORE)
case("load_attr.own_dict", POINT + "class U:\n def __init__(self, **kw): self.__dict__.update(kw)\n",
     "OBJS = [U(x=V, y=V) for _ in range(64)]", ONE, GET, **LOOP)
LATE = "class N:\n def __init__(self): self.x = V\n"
case("store_attr.late", POINT + LATE, "KEEP = [N() for _ in range(200)]", "", "o = N(); o.late = v; o.later = v",
     prep="v = V", base="o = N()", since=11)
WIDE = """
def make(slots):
    space = {}
    exec('class W:\\n ' + slots + '\\n def __init__(self, v):\\n' + ''.join('  self.a%d = v\\n' % i for i in range(34)), space)
    return space['W']
V = object()
"""
SLOTS = "W = make('__slots__ = [\"a%d\" % i for i in range(34)]')"
case("store_attr.many", WIDE, "W = make('pass')", SLOTS, "W(v)", prep="v = V", probe="W(V).a3", since=11)
case("load_attr.types_2", POINT, "OBJS = [(P, Q)[i & 1]() for i in range(64)]", ONE, GET, **LOOP)
MANY = "CL = [type('P%d' % i, (P,), {}) for i in range(8)]\nOBJS = [CL[i & 7]() for i in range(64)]"
case("load_attr.types", POINT, MANY, ONE, GET, **LOOP)
METHODS = "V = object()\ndef cls(): return type('S', (), {'x': V, 'm': eval('lambda self: V', globals())})\n"
CALLS = dict(prep="O = OBJS", base="o = O[i & 63]", probe="OBJS[0].m()")
case("load_attr.method_types", METHODS, "CL = [cls() for _ in range(8)]\nOBJS = [CL[i & 7]() for i in range(64)]",
     "C = cls()\nOBJS = [C() for _ in range(64)]", "o = O[i & 63]; " + times("o.m()", 4), **CALLS)
case("load_attr.method_shadowed", METHODS, "C = cls()\nF = lambda: V\nOBJS = [C() for _ in range(64)]\nfor o in OBJS: o.m = F",
     "C = cls()\nOBJS = [C() for _ in range(64)]", "o = O[i & 63]; " + times("o.m()", 4), **CALLS)
case("load_attr.not_managed", POINT, "class Q(dict):\n def __init__(self): self.x = V; self.y = V\n" + ONE, ONE, GET, **LOOP)

# ---- classes
COUNTED = """
V = object()
class C:
    count = 0
    def __init__(self): self.x = V; self.y = V
class Z:
    count = 0
class S(C): pass
def use(o): o.x; o.y
"""
case("attr.class_written", COUNTED, "W = C", "W = Z", "w.count = i; " + times("o.x; o.y", 4),
     prep="w = W; o = C()", base="Z.count = i", probe="C().x")
SPENT = "o = S()\nfor i in range(2500):\n W.count = i\n use(o); use(o); use(o)"
case("attr.out_of_versions", COUNTED, "W = C\n" + SPENT, "W = Z\n" + SPENT, times("o.x; o.y", 4), prep="o = S()", probe="S().x")
HOOKS = """
V = object()
class P:
    def __init__(self): self.x = V; self.p = V
class G(P):
    def __getattr__(self, name): return V
class H(P):
    def __getattribute__(self, name): return object.__getattribute__(self, name)
class T(P):
    def __setattr__(self, name, value): object.__setattr__(self, name, value)
class D:
    def __get__(self, o, t=None): return V
    def __set__(self, o, v): pass
class R(P):
    x = D()
class Y(P):
    @property
    def x(self): return self.p
    @x.setter
    def x(self, v): self.p = v
"""
READ = times("o.x", 4)
FIELD = dict(prep="o = O", probe="O.x")
WRITE = dict(prep="o = O; v = V", probe="O.x")
case("load_attr.getattribute", HOOKS, "O = H()", "O = P()", READ, **FIELD)
case("load_attr.getattr_defined", HOOKS, "O = G()", "O = P()", READ, **FIELD)
case("load_attr.getattr", HOOKS, "O = G(); del O.x", "O = P()", READ, **FIELD)
case("store_attr.setattr", HOOKS, "O = T()", "O = P()", times("o.x = v", 4), **WRITE)
case("load_attr.property", HOOKS, "O = Y()", "O = P()", READ, **FIELD)
case("store_attr.property", HOOKS, "O = Y()", "O = P()", times("o.x = v", 4), **WRITE)
case("load_attr.descriptor", HOOKS, "O = R()", "O = P()", READ, **FIELD)
case("load_attr.cached_property", HOOKS + "import functools\nclass K:\n @functools.cached_property\n def x(self): return V\n",
     "O = K(); O.x", "O = P()", READ, **FIELD)
NATIVE = "import types\nV = object()\nclass S:\n __slots__ = ('args',)\n"
case("load_attr.native_descriptor", NATIVE, "O = ValueError(V)", "O = S(); O.args = (V,)", times("o.args", 4), prep="o = O", probe="O.args")
case("load_attr.metaclass", "V = object()\nclass M(type): pass\nclass A(metaclass=M): x = V\nclass B: x = V\n",
     "O = A", "O = B", READ, **FIELD)

# ---- calls
FUNCTION = "V = object()\ndef f(a, b): return a\n"
RESULT = dict(prep="v = V", probe="f(V, V)")
case("call.pass_through_kw", FUNCTION, "def g(*args, **kwargs): return f(*args, **kwargs)", "def g(a, b): return f(a, b)",
     slow_body="g(v, b=v)", fast_body="g(v, v)", **RESULT)
case("call.pass_through", FUNCTION, "def g(*args): return f(*args)", "def g(a, b): return f(a, b)", "g(v, v)", **RESULT)
case("call.callable_object", FUNCTION, "class C:\n def __call__(self, a, b): return a\nc = C()", "c = f",
     times("c(v, v)", 4), prep="v = V; c = globals()['c']", probe="c(V, V)")
case("call.partial", FUNCTION + "import functools", "c = functools.partial(f, b=V)", "def c(a): return f(a, V)",
     times("c(v)", 4), prep="v = V", probe="c(V)")
case("call.metaclass", "V = object()\nclass M(type):\n def __call__(cls, *a, **k): return super().__call__(*a, **k)\n",
     "class N(metaclass=M):\n def __init__(self, x): self.x = x", "class N:\n def __init__(self, x): self.x = x",
     "N(v)", prep="v = V", probe="N(V).x")
case("call.own_new", "V = object()\n", "class N:\n def __new__(cls, x):\n  o = object.__new__(cls); o.x = x; return o",
     "class N:\n def __init__(self, x): self.x = x", "N(v)", prep="v = V", probe="N(V).x")
case("call.complex_init", "V = object()\n", "class N:\n def __init__(self, x, *, y=1): self.x = x",
     "class N:\n def __init__(self, x, y=1): self.x = x", "N(v)", prep="v = V", probe="N(V).x")
case("call.types", "V = object()\nF = [eval('lambda a, b: a') for _ in range(8)]", "G = F", "G = F[:1] * 8",
     "O[i & 7](v, v)", prep="O = G; v = V", base="O[i & 7]", probe="G[0](V, V)")
case("call.code_swapped", FUNCTION, "def g(a, b): return a\nf.__code__ = g.__code__", "", times("f(v, v)", 4), **RESULT)
case("call.bound_append", "V = object()\n", "", "", prep="out = []; append = out.append; v = V",
     slow_body="append(v)", fast_body="out.append(v)", warm=False, since=11)
case("call.bound_str", "V = 'a b'\n", "", "", prep="s = V; f = s.isdigit", slow_body=times("f()", 4),
     fast_body=times("s.isdigit()", 4), probe="V.isdigit()", since=11)

# ---- operators
OPERAND = dict(prep="O = DATA", base="a = O[i & 63]")
case("binary_op.mixed", "", "DATA = [5000, 6000.0] * 32", "DATA = [5000.0, 6000.0] * 32", "a = O[i & 63]; a + a; a * a; a - a; a + a", **OPERAND)
case("binary_op.float_int", "DATA = [1.5, 2.5] * 32", "", "", slow_body="a = O[i & 63]; a * 2; a + 1; a * 3; a + 4",
     fast_body="a = O[i & 63]; a * 2.0; a + 1.0; a * 3.0; a + 4.0", **OPERAND)
case("compare.mixed", "", "DATA = [5000, 6000.0] * 32", "DATA = [5000.0, 6000.0] * 32", "a = O[i & 63]; a < a; a == a; a > a; a == a", **OPERAND)
case("compare.tuple", "", "DATA = [(1, 2), (1, 3)] * 32; K = (1, 3)", "DATA = [3000, 4000] * 32; K = 4000",
     "a = O[i & 63]; a == k; a == k; a == k", prep="O = DATA; k = K", base="a = O[i & 63]")
case("compare.big_int", "", "DATA = [2**40, 2**41] * 32; K = 2**40", "DATA = [3000, 4000] * 32; K = 4000",
     "a = O[i & 63]; a < k; a == k; a > k", prep="O = DATA; k = K", base="a = O[i & 63]")
case("contains.linear", "L = [object() for _ in range(50)]\n", "C = L", "C = set(L)", "O[i % 50] in c", prep="c = C; O = L", base="O[i % 50]")
ITEM = dict(prep="s = S; v = V", probe="S[-1]")
case("subscript.negative", "V = object()\nS = [V, V, V, V]\n", "", "", slow_body=times("s[-1]; s[-2]", 2), fast_body=times("s[3]; s[2]", 2), **ITEM)
TABLE = "V = object()\nclass DS(dict): pass\nclass DG(dict):\n def __getitem__(self, k): return V\n"
KEYED = dict(prep="s = S", probe="S['k']")
case("subscript.dict_subclass", TABLE, "S = DS(k=V)", "S = dict(k=V)", times("s['k']", 4), **KEYED)
case("subscript.getitem", TABLE, "S = DG(k=V)", "S = dict(k=V)", times("s['k']", 4), **KEYED)
ITERATORS = """
class Slow:
    def __init__(self, n): self.i = 0; self.n = n
    def __iter__(self): return self
    def __next__(self):
        i = self.i
        if i >= self.n: raise StopIteration
        self.i = i + 1
        return i
def fast(n):
    i = 0
    while i < n:
        yield i
        i += 1
"""
case("iterate.python", ITERATORS, "It = Slow", "It = fast", "for x in It(100): pass")
case("to_bool.python", "class B:\n def __bool__(self): return True\nO = B()", "", "", slow_body="if o: pass", fast_body="if o is not None: pass", prep="o = O")
case("unpack.other", "", "DATA = ['ab', 'cd'] * 32", "DATA = [('a', 'b'), ('c', 'd')] * 32", "a, b = O[i & 63]", prep="O = DATA", base="a = O[i & 63]")
case("unpack.mixed", "", "DATA = [('a', 'b'), ['c', 'd']] * 32", "DATA = [('a', 'b'), ('c', 'd')] * 32", "a, b = O[i & 63]", prep="O = DATA", base="a = O[i & 63]")

# ---- idioms
case("idiom.exception", "D = {}\n", "", "", slow_body="try: d['k']\n  except KeyError: pass", fast_body="d.get('k')", prep="d = D")
case("idiom.import", "from os.path import join\n", "def f():\n from os.path import join\n return join", "def f():\n return join", "f()", probe="f()")
case("idiom.strptime", "from datetime import datetime\nS = '2024-01-02T03:04:05'\n", "", "",
     slow_body="datetime.strptime(S, '%Y-%m-%dT%H:%M:%S')", fast_body="datetime.fromisoformat(S)", warm=False)
case("idiom.deepcopy", "import copy\nX = {'a': [1, 2], 'b': {'c': 3}}\n", "", "", slow_body="copy.deepcopy(x)",
     fast_body="{'a': list(x['a']), 'b': dict(x['b'])}", prep="x = X", warm=False)
case("idiom.asdict", "import dataclasses\n@dataclasses.dataclass\nclass P:\n x: int = 1\n y: int = 2\nX = P()\n", "", "",
     slow_body="dataclasses.asdict(p)", fast_body="{'x': p.x, 'y': p.y}", prep="p = X", warm=False)
case("idiom.contextmanager", "import contextlib\n@contextlib.contextmanager\ndef slow(): yield\nclass fast:\n def __enter__(self): pass\n def __exit__(self, *a): pass\n",
     "cm = slow", "cm = fast", "with cm(): pass")
PROTOCOL = """
import abc, typing
@typing.runtime_checkable
class Has(typing.Protocol):
    def read(self): ...
    def close(self): ...
class Abstract(abc.ABC): pass
class Base: pass
class X(Base, Abstract):
    def read(self): pass
    def close(self): pass
X0 = X()
"""
case("idiom.protocol", PROTOCOL, "T = Has", "T = Base", "isinstance(x, t)", prep="x = X0; t = T")
case("idiom.abc", PROTOCOL, "T = Abstract", "T = Base", "isinstance(x, t)", prep="x = X0; t = T")
ENUM = "import enum\nclass Colour(enum.Enum):\n RED = 'a value'\nRED = Colour.RED\nVALUE = Colour.RED.value\nBY = {VALUE: RED}\n"
case("idiom.enum_value", ENUM, "", "", slow_body=times("c.value", 4), fast_body=times("c._value_", 4), prep="c = RED")
case("idiom.enum_call", ENUM, "", "", slow_body="Colour(v)", fast_body="by[v]", prep="v = VALUE; by = BY")
case("idiom.re_function", "import re\nP = re.compile('[0-9]+')\n", "", "", slow_body="re.match('[0-9]+', '123')", fast_body="p.match('123')", prep="p = P")
PATTERNS = "import itertools, re\nPS = ['a%d' % i for i in range(600)]\n"
case("idiom.re_overflow", PATTERNS, "NEXT = itertools.cycle(PS).__next__", "NEXT = itertools.cycle([re.compile(p) for p in PS]).__next__",
     slow_body="re.match(f(), 'a1')", fast_body="f().match('a1')", prep="f = NEXT", warm=False)
case("idiom.randint", "import random\n", "", "", slow_body="f(0, 9)", fast_body="int(g() * 10)", prep="f = random.randint; g = random.random", warm=False)
case("idiom.inspect_stack", "import inspect, sys\n", "", "", slow_body="inspect.currentframe().f_back.f_lineno", fast_body="sys._getframe(1)", warm=False)
LOG = "import logging\nlog = logging.getLogger('costs')\nlog.setLevel(logging.WARNING)\nX = {'a': [1, 2, 3], 'b': 'text'}\n"
case("idiom.logging", LOG, "", "", slow_body="log.debug(f'value {x!r} {i}')", fast_body="log.debug('value %r %s', x, i)", prep="x = X")
case("idiom.list_pop0", "from collections import deque\n", "L = list(range(10000))\nPOP = lambda l=L: l.append(l.pop(0))",
     "L = deque(range(10000))\nPOP = lambda l=L: l.append(l.popleft())", "POP()", warm=False)
case("idiom.class_in_loop", "class K: pass\n", "", "", slow_body="class K2: pass\n  K2()", fast_body="K()", warm=False)

# ---- the collector
HEAP = "import gc\nKEEP = [[i] for i in range(300000)]\ndef work():\n made = []\n for i in range(2000): made.append([i])\n return made\n"
case("gc.freeze", HEAP + "ROUNDS = []\n", "FREEZE = gc.unfreeze", "FREEZE = gc.freeze", "if len(r) > 60: r.clear()\n  r.append(work())",
     prep="r = ROUNDS; r.clear(); FREEZE()", own=True, warm=False)

# ---- the whole interpreter
MONITOR = "m = sys.monitoring; m.use_tool_id(3, 'costs'); E = m.events\n"
mode("tool.trace", "def tr(f, e, a): return tr\nsys.settrace(tr)")
mode("tool.trace_opcodes", "def tr(f, e, a):\n f.f_trace_opcodes = True\n return tr\nsys.settrace(tr)")
mode("tool.profile", "sys.setprofile(lambda f, e, a: None)")
mode("tool.cprofile", "import cProfile; cProfile.Profile().enable()")
for _event, _key in (("PY_START", "start"), ("LINE", "line"), ("CALL", "call"), ("INSTRUCTION", "instruction")):
    mode("tool.monitor_" + _key, MONITOR + "m.register_callback(3, E.%s, lambda *a: None); m.set_events(3, E.%s)" % (_event, _event), since=12)
mode("handicap.tracemalloc", flags=["-X", "tracemalloc=1"])
mode("handicap.malloc_debug", env={"PYTHONMALLOC": "debug"})
mode("handicap.perf", flags=["-X", "perf"], since=12)
mode("handicap.jit_off", env={"PYTHON_JIT": "0"}, fast_env={"PYTHON_JIT": "1"}, since=14)
mode("handicap.no_specialisation", env={"PYTHON_SPECIALIZATION_OFF": "1"}, since=15)

# ---- traps: pairs that are *not* fair, which bench.py must refuse
TRAPS = [
    dict(DEFAULTS, key="trap.allocation", common="", slow="BASE = 100000", fast="BASE = 1", body="a + 1; a + 1; a + 1; a + 1",
         prep="a = BASE", probe="BASE + 1"),
    dict(DEFAULTS, key="trap.immortal", common="class P:\n def __init__(self, x): self.x = x", slow="O = P(object())",
         fast="O = P(None)", body=times("o.x"), prep="o = O", probe="O.x"),
]
