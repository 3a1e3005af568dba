"""Every example in a docstring is run. Modules are imported as karat.*, which --doctest-modules would not do."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import karat


def module_names(folders, prefix):
    """Names of all modules below some folders, without importing any."""
    for found in pkgutil.iter_modules(folders, prefix):
        leaf = found.name.rsplit(".", 1)[-1]
        if leaf in ("__main__", "tests", "benchmarks", "docs"):
            continue
        yield found.name
        if found.ispkg:
            yield from module_names([f"{folder}/{leaf}" for folder in folders], found.name + ".")


MODULES = sorted(module_names(list(karat.__path__), "karat."))


def examples_of(module):
    """Its doctests, with ``np`` at hand as readers expect."""
    tests = doctest.DocTestFinder().find(module, extraglobs={"np": np})
    return [test for test in tests if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = []
    runner = doctest.DocTestRunner()
    for test in examples_of(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_examples_are_found_and_can_fail():
    modules = [importlib.import_module(name) for name in MODULES]
    examples = [example for module in modules for test in examples_of(module) for example in test.examples]
    assert sum(1 for example in examples if not example.options.get(doctest.SKIP)) > 20
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner().run(wrong, out=lambda text: None).failed == 1
