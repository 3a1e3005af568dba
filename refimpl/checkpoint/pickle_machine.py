"""Interprets the few pickle opcodes that tensors need. Not an unpickler: it imports nothing and calls only `rebuild`.

References
----------
``pickletools`` of the Python standard library, which documents every opcode and splits the bytes for us.
"""

import pickletools

from ..errors import BadInput
from .limits import MAX_MARKS, MAX_MEMO, MAX_OPCODES, MAX_PICKLE_BYTES, MAX_STACK, MAX_STRING
from .messages import damaged, hostile, save_again, shown
from .rebuild import Ignored, call, checked_key, find_global, find_storage


class Machine:
    """One run over one pickle: a stack, the marks in it, a memo, and the storages met on the way."""

    def __init__(self):
        self.stack, self.marks, self.memo, self.storages = [], [], {}, {}

    def need(self, count):
        """At least ``count`` values above the last mark."""
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise damaged("the pickle takes more values than it stacked")

    def push(self, value):
        if len(self.stack) >= MAX_STACK:
            raise hostile("the pickle stacks too many values", f"up to {MAX_STACK}")
        self.stack.append(value)

    def push_text(self, value):
        if isinstance(value, (str, bytes)) and len(value) > MAX_STRING:
            raise hostile(f"the pickle has a text of {len(value)} characters", f"up to {MAX_STRING}")
        self.push(value)

    def pop(self):
        self.need(1)
        return self.stack.pop()

    def mark(self):
        if len(self.marks) >= MAX_MARKS:
            raise hostile("the pickle nests too deeply", f"up to {MAX_MARKS} levels")
        self.marks.append(len(self.stack))

    def pop_to_mark(self):
        if not self.marks:
            raise damaged("the pickle closes a group that it never opened")
        return self.take(len(self.stack) - self.marks.pop())

    def take(self, count):
        """The last ``count`` values, off the stack."""
        self.need(count)
        start = len(self.stack) - count
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def top(self, *kinds):
        """The value on top, which must be of one of these types."""
        self.need(1)
        if not isinstance(self.stack[-1], kinds):
            raise damaged(f"the pickle uses {shown(self.stack[-1])} as a {kinds[0].__name__}")
        return self.stack[-1]

    def set_items(self, items):
        target = self.top(dict)
        if len(items) % 2:
            raise damaged("the pickle fills a dict with a key that has no value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def append_items(self, items):
        self.top(list).extend(items)

    def put(self, index):
        self.need(1)
        if index >= MAX_MEMO:
            raise hostile(f"the pickle uses memo {index}", f"less than {MAX_MEMO}")
        self.memo[index] = self.stack[-1]

    def get(self, index):
        if index not in self.memo:
            raise damaged(f"the pickle recalls memo {index} that it never stored")
        self.push(self.memo[index])

    def build(self):
        """Drop state set on an OrderedDict (its _metadata, by torch) or on an ignored value (a NumPy dtype)."""
        self.pop()
        self.top(dict, Ignored)

    def reduce(self):
        function, arguments = self.take(2)
        self.push(call(function, arguments))

    def find(self, module, name):
        if not isinstance(name, str) or not isinstance(module, str):
            raise hostile("the pickle asks for a global whose name is no text", "a name")
        self.push(find_global(module, name))

    def result(self):
        if len(self.stack) != 1 or self.marks:
            raise damaged(f"the pickle ends with {len(self.stack)} values instead of one")
        return self.stack[0]


_OPCODES = {
    **dict.fromkeys(["PROTO", "FRAME", "STOP"], lambda m, arg: None),
    **dict.fromkeys(["BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"], Machine.push),
    **dict.fromkeys(["BINUNICODE", "SHORT_BINUNICODE"], Machine.push_text),
    **dict.fromkeys(["BINSTRING", "SHORT_BINSTRING"], Machine.push_text),  # Python 2
    **dict.fromkeys(["BINBYTES", "SHORT_BINBYTES"], Machine.push_text),
    **dict.fromkeys(["BINPUT", "LONG_BINPUT"], Machine.put),
    **dict.fromkeys(["BINGET", "LONG_BINGET"], Machine.get),
    "MEMOIZE": lambda m, arg: m.put(len(m.memo)),
    "NONE": lambda m, arg: m.push(None),
    "NEWTRUE": lambda m, arg: m.push(True),
    "NEWFALSE": lambda m, arg: m.push(False),
    "EMPTY_TUPLE": lambda m, arg: m.push(()),
    "EMPTY_LIST": lambda m, arg: m.push([]),
    "EMPTY_DICT": lambda m, arg: m.push({}),
    "MARK": lambda m, arg: m.mark(),
    "TUPLE": lambda m, arg: m.push(tuple(m.pop_to_mark())),
    "TUPLE1": lambda m, arg: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, arg: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, arg: m.push(tuple(m.take(3))),
    "APPEND": lambda m, arg: m.append_items(m.take(1)),
    "APPENDS": lambda m, arg: m.append_items(m.pop_to_mark()),
    "SETITEM": lambda m, arg: m.set_items(m.take(2)),
    "SETITEMS": lambda m, arg: m.set_items(m.pop_to_mark()),
    "GLOBAL": lambda m, arg: m.find(*arg.split(" ", 1)),  # pickletools joins module and name by a blank
    "STACK_GLOBAL": lambda m, arg: m.find(*m.take(2)),
    "BINPERSID": lambda m, arg: m.push(find_storage(m.pop(), m.storages)),
    "REDUCE": lambda m, arg: m.reduce(),
    "BUILD": lambda m, arg: m.build(),
}


def _opcodes(stream):
    """(name, argument) of each opcode up to STOP, within the limits."""
    start = stream.tell()
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if count >= MAX_OPCODES or (position or 0) - start > MAX_PICKLE_BYTES:
                raise hostile("the pickle is too long", f"up to {MAX_OPCODES} steps, {MAX_PICKLE_BYTES} bytes")
            yield opcode.name, argument
    except BadInput:
        raise
    except ValueError as error:  # what pickletools raises for bytes that are no pickle
        raise damaged(f"the pickle breaks off ({shown(str(error))})") from error


def run(stream):
    """Interpret the pickle at the stream's position, and leave the stream behind it.

    Parameters
    ----------
    stream : io.BytesIO

    Returns
    -------
    value : object
        Plain Python values, with `storage.Tensor` in place of tensors.
    storages : dict of str to storage.Storage
        Those that the pickle refers to.

    Raises
    ------
    BadInput
        For anything outside the allow-lists and limits, and damage.

    Examples
    --------
    >>> import io, pickle
    >>> run(io.BytesIO(pickle.dumps({"epoch": 3}, protocol=2)))
    ({'epoch': 3}, {})
    """
    machine = Machine()
    for name, argument in _opcodes(stream):
        if name not in _OPCODES:
            what = f"{name} {shown(argument)}" if isinstance(argument, str) else name
            raise save_again(f"the pickle uses the opcode {what}, which karat does not run", "plain weights")
        _OPCODES[name](machine, argument)
    return machine.result(), machine.storages
