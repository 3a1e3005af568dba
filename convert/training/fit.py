"""The training loop: Adam with a cosine schedule, an average of the weights, resumable and seeded."""

import json
import math
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...refimpl.errors import BadInput
from ...refimpl.metrics import luma, psnr
from .log import mend_log

EVERY = 1000  # iterations between log lines and checkpoints
AVERAGE = 0.999  # decay of the exponential moving average of the weights ("params_ema")


def cosine(iteration, iterations, rate):
    """Learning rate: a short linear warm-up, then half a cosine down to a thousandth."""
    warm = min(1.0, (iteration + 1) / 200)
    return rate * warm * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * iteration / iterations)))


def fit(model, objective, patches, validation, work, iterations, rate, hold=None, progress=True):
    """Train ``model`` in place and return the averaged weights.

    Parameters
    ----------
    model : torch.nn.Module
    objective : callable
        (model, lr, hr) -> loss, see `objectives`.
    patches : callable
        iteration -> (lr, hr), see `Patches`.
    validation : list of (lr, hr)
        uint8 pictures that are never trained on; their PSNR goes into the log.
    work : Path
        Folder of ``checkpoint.pt`` and ``log.jsonl``; an interrupted run goes on from what lies there.
    iterations : int
        Length of the cosine schedule.
    rate : float
        Peak learning rate.
    hold : dict of str to torch.Tensor, optional
        Of some parameters, which numbers may change; the others are set to zero after each step.

    Returns
    -------
    dict of str to torch.Tensor
        The exponential moving average of the parameters, float32.

    Raises
    ------
    BadInput
        When the checkpoint or the log is damaged or another network's, or the checkpoint further than asked for.
    """
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), rate)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    start = _resume(work / "checkpoint.pt", model, optimiser, average)
    if start > iterations:
        raise BadInput(f"{work} holds {start} iterations already, expected at most {iterations}; ask for more of them")
    dropped = mend_log(work / "log.jsonl", start)
    if dropped:
        print(f"karat: {dropped}", file=sys.stderr)
    losses = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("training", total=iterations, completed=start)
        for iteration in range(start, iterations):
            for group in optimiser.param_groups:
                group["lr"] = cosine(iteration, iterations, rate)
            losses.append(_step(model, objective, optimiser, patches(iteration)))
            with torch.no_grad():
                for name, stay in (hold or {}).items():
                    model.get_parameter(name).mul_(stay)
                for name, p in model.named_parameters():
                    average[name].lerp_(p, 1 - min(AVERAGE, (1 + iteration) / (10 + iteration)))
            done = iteration + 1
            bar.advance(task)
            if done % EVERY == 0 or done == iterations:
                line = {"iteration": done, "loss": float(np.mean(losses)), "psnr": validate(model, average, validation)}
                losses.clear()
                bar.update(task, description=f"training, loss {line['loss']:.5f}, validation {line['psnr']:.2f} dB")
                with open(work / "log.jsonl", "a") as log:
                    log.write(json.dumps(line) + "\n")
                _save(work / "checkpoint.pt", done, model, optimiser, average)
    return average


def _step(model, objective, optimiser, batch):
    lr, hr = (torch.from_numpy(a).to(memory_format=torch.channels_last) for a in batch)
    optimiser.zero_grad(set_to_none=True)
    loss = objective(model, lr, hr)
    loss.backward()
    optimiser.step()
    return loss.item()


def validate(model, weights, pairs):
    """Mean PSNR of Y in dB over (lr, hr) pictures, with ``weights`` in place of the model's own."""
    scores = []
    for lr, hr in pairs:
        x = torch.from_numpy(lr[None].astype(np.float32) / 255)
        with torch.no_grad():
            y = torch.func.functional_call(model, weights, (x,)).clamp(0, 1).numpy()[0]
        border = hr.shape[-1] // lr.shape[-1]
        scores.append(psnr(luma(np.round(y * 255) / 255), luma(hr / 255), border=border))
    return float(np.mean(scores))


def _save(path, iteration, model, optimiser, average):
    state = {
        "iteration": iteration,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _resume(path, model, optimiser, average):
    """The iteration that a checkpoint is of, whose state they take on."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, OSError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"{path} cannot be read ({reason}), expected a checkpoint; take another folder") from None
    try:
        return _take_on(state, model, optimiser, average)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError):  # of whatever has another form
        raise BadInput(
            f"{path} is not of this training, expected the checkpoint that it wrote; take another folder"
        ) from None


def _take_on(state, model, optimiser, average):
    shapes = {name: value.shape for name, value in state["average"].items()}
    own, iteration = [value.shape for value in average.values()], state["iteration"]
    moments = {i: (one["exp_avg"].shape, one["exp_avg_sq"].shape) for i, one in state["optimiser"]["state"].items()}
    same = shapes == {name: value.shape for name, value in average.items()}
    if not same or any(pair != (own[i], own[i]) for i, pair in moments.items()):  # torch does not look at moments
        raise ValueError
    if type(iteration) is not int or iteration < 1:
        raise ValueError
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    return iteration
