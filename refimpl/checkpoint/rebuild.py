"""The allow-list: every name that a checkpoint may mention, and our own harmless stand-in for it."""

from dataclasses import dataclass

from .messages import damaged, hostile, save_again, shown
from .storage import Storage, Tensor, check_tensor

STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}


@dataclass(frozen=True)
class Name:
    """A global that the file mentions. Only text: nothing is imported or looked up."""

    text: str


class Ignored:
    """Stands for a value that belongs beside the tensors (a best score, a device) and is never built."""


IGNORED = Ignored()


def _ordered_dict(*pairs):
    """``OrderedDict()`` as Python 3 pickles it, or ``OrderedDict([[key, value], ...])`` as Python 2 did."""
    if not pairs:
        return {}
    if len(pairs) != 1 or not isinstance(pairs[0], list):
        raise damaged("an OrderedDict is built from something other than a list of pairs")
    result = {}
    for pair in pairs[0]:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise damaged("an OrderedDict is built from something other than pairs")
        result[checked_key(pair[0])] = pair[1]
    return result


def _tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    if not isinstance(storage, Storage):
        raise damaged("a tensor is built on something other than a storage")
    if hooks or metadata:  # metadata holds the lazy negation bit: leaving it out would flip the sign of the weights
        raise save_again("a tensor carries hooks or a lazy negation", "plain numbers")
    tensor = Tensor(storage, offset, size, stride)
    check_tensor(tensor)
    return tensor


def _parameter(tensor, requires_grad=True, hooks=None):
    if not isinstance(tensor, Tensor):
        raise damaged("a parameter is built on something other than a tensor")
    return tensor


def _size(extents=()):
    return extents if isinstance(extents, tuple) else IGNORED


def _ignored(*_):
    return IGNORED


CALLABLE = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,  # before torch 0.4
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    # What training scripts keep beside the weights: a scheduler's milestones, the device, a best score.
    "collections.Counter": _ignored,
    "torch.device": _ignored,
    "numpy.core.multiarray.scalar": _ignored,
    "numpy._core.multiarray.scalar": _ignored,
    "numpy.dtype": _ignored,
    "_codecs.encode": _ignored,
}


def find_global(module, name):
    """The stand-in name for ``module.name``.

    Raises
    ------
    BadInput
        Naming it, when it is not on the list.
    """
    text = f"{module}.{name}"
    if text not in CALLABLE and text not in STORAGES:
        raise save_again(f"the pickle asks for {shown(text)}, which karat does not run", "plain weights")
    return Name(text)


def call(function, arguments):
    """What calling the allow-listed ``function`` gives; anything else is refused.

    Raises
    ------
    BadInput
    """
    if not isinstance(function, Name) or function.text not in CALLABLE or not isinstance(arguments, tuple):
        what = function.text if isinstance(function, Name) else type(function).__name__
        raise save_again(f"the pickle calls {shown(what)}, which karat does not run", "plain weights")
    least, most = _ARITY.get(function.text, (0, len(arguments)))
    if not least <= len(arguments) <= most:
        raise damaged(f"the pickle gives {function.text} {len(arguments)} arguments instead of {least} to {most}")
    return CALLABLE[function.text](*arguments)


_ARITY = {
    "torch._utils._rebuild_tensor_v2": (6, 7),
    "torch._utils._rebuild_tensor": (4, 4),
    "torch._utils._rebuild_parameter": (3, 3),
    "torch.Size": (0, 1),
}


def checked_key(key):
    """A dict key, if hashing and comparing it is cheap whatever the file says: nested tuples recurse in C.

    Raises
    ------
    BadInput
    """
    small = type(key) is int and abs(key) < 2**31  # larger ones can be chosen to collide
    if not (small or key is None or type(key) in (str, float, bool)):
        raise save_again(f"a dict in the pickle has {shown(key)} as a key", "text or a small number")
    return key


def find_storage(identifier, known):
    """The storage that a persistent id names; one key must mean one storage throughout.

    Parameters
    ----------
    identifier : object
        ``("storage", type, key, device, count)``, and None as a sixth in legacy files.
    known : dict of str to Storage
        Grows by it.

    Raises
    ------
    BadInput
    """
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[5:] not in ((), (None,)):
        raise save_again("a persistent id is not a plain storage", "('storage', type, key, device, count)")
    tag, kind, key, _, count = identifier[:5]
    if tag != "storage" or not isinstance(kind, Name) or kind.text not in STORAGES or not isinstance(key, str):
        raise save_again("a persistent id names an unknown type of storage", f"one of {len(STORAGES)} real ones")
    if type(count) is not int or count < 0:
        raise hostile(f"a storage has {shown(count)} numbers", "a whole number from 0 on")
    storage = Storage(key, STORAGES[kind.text], count)
    if known.setdefault(key, storage) != storage:
        raise damaged(f"storage {shown(key)} is described in two ways")
    return storage
