"""The faults that the soak has to offer. Each tells whether there was something to strike."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from common.errors import MapReduceError
from master.run.checkpoint_file import read_checkpoint
from scripts.chaos.proxy import Fault, Way
from scripts.chaos.trial import Trial, Visitor

Strike = Callable[[Trial], bool]


def kill_worker(trial: Trial) -> bool:
    """End one worker without its consent."""
    return _kill(trial, 1)


def kill_several(trial: Trial) -> bool:
    """End some of them, or all, at once."""
    return _kill(trial, trial.rng.randint(2, 8))


def _kill(trial: Trial, count: int) -> bool:
    workers: list[psutil.Process | Visitor] = [*trial.processes(), *trial.visitors]
    victims = trial.rng.sample(workers, min(count, len(workers)))
    for victim in victims:
        process = victim.process if isinstance(victim, Visitor) else victim
        with suppress(psutil.NoSuchProcess):
            process.kill()
        if isinstance(victim, Visitor):
            victim.process.wait()
            victim.start()
            victim.trouble(0.0)
    return bool(victims)


def stop_worker(trial: Trial) -> bool:
    """Stop a worker for a while: for less than it takes to be noticed, or until it is taken for dead."""
    workers: list[psutil.Process | Visitor] = [*trial.processes(), *trial.visitors]
    if not workers:
        return False
    victim, duration_s = trial.rng.choice(workers), trial.rng.choice([0.3, 4.0, 13.0])
    if isinstance(victim, Visitor):
        victim.trouble(duration_s)
        return _stop(trial, victim.process, duration_s)
    return _stop(trial, victim, duration_s)


def stop_master(trial: Trial) -> bool:
    """Stop the master for a while."""
    return trial.master is not None and _stop(trial, trial.master, trial.rng.choice([0.3, 5.0, 12.0]))


def _stop(trial: Trial, process: psutil.Process, duration_s: float) -> bool:
    def resume() -> None:
        with suppress(psutil.NoSuchProcess):
            process.resume()

    try:
        process.suspend()
    except psutil.NoSuchProcess:
        return False
    trial.later(duration_s, resume)
    return True


def kill_master(trial: Trial) -> bool:
    """End the master without its consent; the run is resumed."""
    return _end_master(trial, signal.SIGKILL)


def interrupt_master(trial: Trial) -> bool:
    """Ask the master to end; the run is resumed."""
    return _end_master(trial, signal.SIGTERM)


def _is_whole(checkpoint: Path) -> bool:
    try:
        read_checkpoint(checkpoint)
    except MapReduceError:
        return False
    return True


def kill_master_and_harm_checkpoint(trial: Trial) -> bool:
    """End the master and damage the newest checkpoint, if there is an older one that is whole."""
    if not _end_master(trial, signal.SIGKILL):
        return False
    checkpoints = trial.checkpoints
    if len(checkpoints) > 1 and _is_whole(checkpoints[1]):
        trial.rng.choice([_truncate, _flip])(trial, checkpoints[0])
    return True


def _end_master(trial: Trial, number: signal.Signals) -> bool:
    if trial.master is None or trial.master.poll() is not None:
        return False
    trial.processes()  # all of them must be gone later
    trial.killed = True
    trial.master.send_signal(number)
    trial.heal()
    trial.master.wait(60)
    return True


def remove_file(trial: Trial) -> bool:
    """Remove a file that a worker has written."""
    return _harm(trial, lambda trial, path: path.unlink())


def truncate_file(trial: Trial) -> bool:
    """Cut off the end of a file that a worker has written."""
    return _harm(trial, _truncate)


def corrupt_file(trial: Trial) -> bool:
    """Flip a bit of a file that a worker has written."""
    return _harm(trial, _flip)


def _harm(trial: Trial, harm: Callable[[Trial, Path], None]) -> bool:
    folders = [trial.folder / "data" / "mappers", trial.folder / "data" / "reducers"]
    folders += [visitor.folder for visitor in trial.visitors]
    files = [
        path
        for folder in folders
        for name in ("partition_*", "output.*", "map_output.*")
        for path in folder.rglob(name)
    ]
    if not files:
        return False
    try:
        harm(trial, trial.rng.choice(sorted(files)))
    except FileNotFoundError:  # the next stage of the run has begun
        return False
    return True


def _truncate(trial: Trial, path: Path) -> None:
    os.truncate(path, int(path.stat().st_size * trial.rng.random()))


def _flip(trial: Trial, path: Path) -> None:
    with path.open("r+b") as file:
        content = file.read()
        if content:
            place = trial.rng.randrange(len(content))
            file.seek(place)
            file.write(bytes([content[place] ^ 1 << trial.rng.randrange(8)]))


def _on_the_wire(fault: Callable[[Trial], Fault]) -> Strike:
    """Spoil a worker's connection to its master, or those of others to it."""

    def strike(trial: Trial) -> bool:
        duration_s = trial.rng.choice([0.5, 3.0, 13.0])
        for visitor in _one_visitor(trial, duration_s):
            proxy = trial.rng.choice(visitor.proxies)
            proxy.spoil(fault(trial))
            trial.later(duration_s, proxy.heal)
        return bool(trial.visitors)

    return strike


def reset_connections(trial: Trial) -> bool:
    """Reset a worker's connections."""
    for visitor in _one_visitor(trial, 0.0):
        trial.rng.choice(visitor.proxies).reset()
    return bool(trial.visitors)


def cut_off(trial: Trial) -> bool:
    """Let nothing reach a worker, nor leave it."""
    duration_s = trial.rng.choice([0.5, 5.0, 20.0])
    for visitor in _one_visitor(trial, duration_s):
        for proxy in visitor.proxies:
            proxy.spoil(Fault(hole=True))
            trial.later(duration_s, proxy.heal)
    return bool(trial.visitors)


def _one_visitor(trial: Trial, duration_s: float) -> list[Visitor]:
    """Choose a visitor, if there are any, that is to be in trouble for so long."""
    chosen = trial.rng.sample(trial.visitors, min(1, len(trial.visitors)))
    for visitor in chosen:
        visitor.trouble(duration_s)
    return chosen


def _way(trial: Trial) -> Way:
    return trial.rng.choice([Way.THERE, Way.BACK, Way.BOTH])


FAULTS: dict[str, Strike] = {
    "a worker killed": kill_worker,
    "several workers killed": kill_several,
    "a worker stopped": stop_worker,
    "the master stopped": stop_master,
    "the master killed": kill_master,
    "the master interrupted": interrupt_master,
    "the master killed, its checkpoint damaged": kill_master_and_harm_checkpoint,
    "a file removed": remove_file,
    "a file truncated": truncate_file,
    "a file corrupted": corrupt_file,
    "connections reset": reset_connections,
    "a worker cut off": cut_off,
    "latency": _on_the_wire(lambda trial: Fault(_way(trial), latency_s=trial.rng.choice([0.02, 0.2, 1.0]))),
    "one-way hole": _on_the_wire(lambda trial: Fault(trial.rng.choice([Way.THERE, Way.BACK]), hole=True)),
    "connection cut": _on_the_wire(lambda trial: Fault(_way(trial), cut_after=trial.rng.randrange(20_000))),
    "trickle": _on_the_wire(
        lambda trial: Fault(_way(trial), latency_s=0.01, piece_bytes=trial.rng.randint(1, 500))
    ),
    "bit flipped": _on_the_wire(lambda trial: Fault(_way(trial), flip_at=trial.rng.randrange(5_000))),
}
