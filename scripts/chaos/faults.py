"""The faults that the soak has to offer. Each tells whether there was something to strike."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from scripts.chaos.proxy import Fault, Way
from scripts.chaos.stage import Stage, Visitor

Strike = Callable[[Stage], bool]


def kill_worker(stage: Stage) -> bool:
    """End one worker without its consent."""
    return _kill(stage, 1)


def kill_several(stage: Stage) -> bool:
    """End some of them, or all, at once."""
    return _kill(stage, stage.rng.randint(2, 8))


def _kill(stage: Stage, count: int) -> bool:
    workers: list[psutil.Process | Visitor] = [*stage.processes(), *stage.visitors]
    victims = stage.rng.sample(workers, min(count, len(workers)))
    for victim in victims:
        process = victim.process if isinstance(victim, Visitor) else victim
        with suppress(psutil.NoSuchProcess):
            process.kill()
        if isinstance(victim, Visitor):
            victim.process.wait()
            victim.start()
            victim.trouble(0.0)
    return bool(victims)


def stop_worker(stage: Stage) -> bool:
    """Stop a worker for a while: for less than it takes to be noticed, or until it is taken for dead."""
    workers: list[psutil.Process | Visitor] = [*stage.processes(), *stage.visitors]
    if not workers:
        return False
    victim, duration_s = stage.rng.choice(workers), stage.rng.choice([0.3, 4.0, 13.0])
    if isinstance(victim, Visitor):
        victim.trouble(duration_s)
        return _stop(stage, victim.process, duration_s)
    return _stop(stage, victim, duration_s)


def stop_master(stage: Stage) -> bool:
    """Stop the master for a while."""
    return stage.master is not None and _stop(stage, stage.master, stage.rng.choice([0.3, 5.0, 12.0]))


def _stop(stage: Stage, process: psutil.Process, duration_s: float) -> bool:
    def resume() -> None:
        with suppress(psutil.NoSuchProcess):
            process.resume()

    try:
        process.suspend()
    except psutil.NoSuchProcess:
        return False
    stage.later(duration_s, resume)
    return True


def kill_master(stage: Stage) -> bool:
    """End the master without its consent; the run is resumed."""
    return _end_master(stage, signal.SIGKILL)


def interrupt_master(stage: Stage) -> bool:
    """Ask the master to end; the run is resumed."""
    return _end_master(stage, signal.SIGTERM)


def kill_master_and_harm_checkpoint(stage: Stage) -> bool:
    """End the master and damage the newest checkpoint, if there is an older one."""
    if not _end_master(stage, signal.SIGKILL):
        return False
    checkpoints = stage.checkpoints
    if len(checkpoints) > 1:
        stage.rng.choice([_truncate, _flip])(stage, checkpoints[0])
    return True


def _end_master(stage: Stage, number: signal.Signals) -> bool:
    if stage.master is None or stage.master.poll() is not None:
        return False
    stage.processes()  # all of them must be gone later
    stage.killed = True
    stage.master.send_signal(number)
    stage.heal()
    stage.master.wait(60)
    return True


def remove_file(stage: Stage) -> bool:
    """Remove a file that a worker has written."""
    return _harm(stage, lambda stage, path: path.unlink())


def truncate_file(stage: Stage) -> bool:
    """Cut off the end of a file that a worker has written."""
    return _harm(stage, _truncate)


def corrupt_file(stage: Stage) -> bool:
    """Flip a bit of a file that a worker has written."""
    return _harm(stage, _flip)


def _harm(stage: Stage, harm: Callable[[Stage, Path], None]) -> bool:
    folders = [stage.folder / "data" / "mappers", stage.folder / "data" / "reducers"]
    folders += [visitor.folder for visitor in stage.visitors]
    files = [
        path
        for folder in folders
        for name in ("partition_*", "output.*", "map_output.*")
        for path in folder.rglob(name)
    ]
    if not files:
        return False
    try:
        harm(stage, stage.rng.choice(sorted(files)))
    except FileNotFoundError:  # another stage has begun
        return False
    return True


def _truncate(stage: Stage, path: Path) -> None:
    os.truncate(path, int(path.stat().st_size * stage.rng.random()))


def _flip(stage: Stage, path: Path) -> None:
    with path.open("r+b") as file:
        content = file.read()
        if content:
            place = stage.rng.randrange(len(content))
            file.seek(place)
            file.write(bytes([content[place] ^ 1 << stage.rng.randrange(8)]))


def _on_the_wire(fault: Callable[[Stage], Fault]) -> Strike:
    """Spoil a worker's connection to its master, or those of others to it."""

    def strike(stage: Stage) -> bool:
        duration_s = stage.rng.choice([0.5, 3.0, 13.0])
        for visitor in _one_visitor(stage, duration_s):
            proxy = stage.rng.choice(visitor.proxies)
            proxy.spoil(fault(stage))
            stage.later(duration_s, proxy.heal)
        return bool(stage.visitors)

    return strike


def reset_connections(stage: Stage) -> bool:
    """Reset a worker's connections."""
    for visitor in _one_visitor(stage, 0.0):
        stage.rng.choice(visitor.proxies).reset()
    return bool(stage.visitors)


def cut_off(stage: Stage) -> bool:
    """Let nothing reach a worker, nor leave it."""
    duration_s = stage.rng.choice([0.5, 5.0, 20.0])
    for visitor in _one_visitor(stage, duration_s):
        for proxy in visitor.proxies:
            proxy.spoil(Fault(hole=True))
            stage.later(duration_s, proxy.heal)
    return bool(stage.visitors)


def _one_visitor(stage: Stage, duration_s: float) -> list[Visitor]:
    """Choose a visitor, if there are any, that is to be in trouble for so long."""
    chosen = stage.rng.sample(stage.visitors, min(1, len(stage.visitors)))
    for visitor in chosen:
        visitor.trouble(duration_s)
    return chosen


def _way(stage: Stage) -> Way:
    return stage.rng.choice([Way.THERE, Way.BACK, Way.BOTH])


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
    "latency": _on_the_wire(lambda stage: Fault(_way(stage), latency_s=stage.rng.choice([0.02, 0.2, 1.0]))),
    "one-way hole": _on_the_wire(lambda stage: Fault(stage.rng.choice([Way.THERE, Way.BACK]), hole=True)),
    "connection cut": _on_the_wire(lambda stage: Fault(_way(stage), cut_after=stage.rng.randrange(20_000))),
    "trickle": _on_the_wire(
        lambda stage: Fault(_way(stage), latency_s=0.01, piece_bytes=stage.rng.randint(1, 500))
    ),
    "bit flipped": _on_the_wire(lambda stage: Fault(_way(stage), flip_at=stage.rng.randrange(5_000))),
}
