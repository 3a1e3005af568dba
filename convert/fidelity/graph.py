"""What is upstream of what in a Core ML program."""

from collections import Counter

from ...refimpl.errors import BadInput


class Graph:
    """The data flow of a program, by variable name; operations that nothing of the output depends on are left out.

    Attributes
    ----------
    operation : dict of str to Operation
        Which operation computes a variable.
    order : dict of str to int
        Its place in execution order.
    dtype, shape : dict
        Its declared type and shape.
    varying : set of str
        Variables that depend on what is in an input; the others are computed from constants and fixed sizes only.
    seeing : set of str
        Variables that depend on an input's numbers, and not on its size alone.
    upstream : dict of str to frozenset of str
        Every variable that a variable depends on, itself not included.
    """

    def __init__(self, program):
        if program.states:
            raise BadInput(
                f"the package keeps the state {program.states[0].name!r}, expected none; export without states"
            )
        self.operation = {out.name: op for op in program.operations for out in op.outputs}
        self.order = {out.name: i for i, op in enumerate(program.operations) for out in op.outputs}
        self.dtype = {out.name: out.dtype for op in program.operations for out in op.outputs}
        self.shape = {out.name: out.shape for op in program.operations for out in op.outputs}
        computed = Counter(out.name for op in program.operations for out in op.outputs)
        twice = [name for name, times in computed.items() if times > 1]
        if twice:
            raise BadInput(f"variable {twice[0]!r} of the package is computed twice; export it again")
        self.upstream = {}
        for op in program.operations:
            direct = [name for name in op.reads if name in self.order]
            early = [name for name in direct if name not in self.upstream]
            if early:
                raise BadInput(f"{op.name} of the package reads {early[0]} before it is computed; export it again")
            above = frozenset(direct).union(*(self.upstream[name] for name in direct))
            for out in op.outputs:
                self.upstream[out.name] = above
        self.shape |= {feature.name: feature.shape for feature in program.inputs}
        self.varying = {feature.name for feature in program.inputs}
        self.seeing = set(self.varying)
        for op in program.operations:
            reads, outputs = set(op.reads), {out.name for out in op.outputs}
            sized = op.type == "shape" and None not in self.shape.get(op.inputs.get("x"), (None,))
            if self.varying & reads and not sized:
                self.varying |= outputs
            if self.seeing & reads and op.type != "shape":
                self.seeing |= outputs
        outputs = [feature.name for feature in program.outputs if feature.name in self.upstream]
        live = set(outputs).union(*(self.upstream[name] for name in outputs))
        self.operation = {name: op for name, op in self.operation.items() if name in live}

    def group(self, output, boundary):
        """Operations that compute ``output`` from the variables in ``boundary``, in execution order."""
        seen, todo = set(), [output]
        while todo:
            name = todo.pop()
            if name in seen or name not in self.operation or (name in boundary and name != output):
                continue
            seen.add(name)
            todo += self.operation[name].reads
        found = {self.order[name]: self.operation[name] for name in seen}
        return [found[i] for i in sorted(found)]
