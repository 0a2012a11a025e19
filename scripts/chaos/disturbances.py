"""The ways to disturb a run. Each returns whether there was something to disturb."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from common.errors import MapReduceError
from master.run.checkpoint_file import read_checkpoint
from scripts.chaos.proxy import Direction, Fault
from scripts.chaos.trial import RemoteWorker, Trial

Disturbance = Callable[[Trial], bool]


def kill_worker(trial: Trial) -> bool:
    """Kill one worker."""
    return _kill(trial, 1)


def kill_several(trial: Trial) -> bool:
    """Kill some of the workers, or all, at once."""
    return _kill(trial, trial.rng.randint(2, 8))


def _kill(trial: Trial, count: int) -> bool:
    workers: list[psutil.Process | RemoteWorker] = [*trial.processes(), *trial.remote_workers]
    victims = trial.rng.sample(workers, min(count, len(workers)))
    for victim in victims:
        process = victim.process if isinstance(victim, RemoteWorker) else victim
        with suppress(psutil.NoSuchProcess):
            process.kill()
        if isinstance(victim, RemoteWorker):
            victim.process.wait()
            victim.start()
            victim.note_disturbance(0.0)
    return bool(victims)


def lose_all_workers(trial: Trial) -> bool:
    """Kill all workers of this machine at once, or stop them for good."""
    victims, lose = trial.processes(), trial.rng.choice([psutil.Process.kill, psutil.Process.suspend])
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            lose(victim)
    return bool(victims)


def stop_worker(trial: Trial) -> bool:
    """Stop a worker for a while: too short to be noticed, or until it is declared dead."""
    workers: list[psutil.Process | RemoteWorker] = [*trial.processes(), *trial.remote_workers]
    if not workers:
        return False
    victim, duration_s = trial.rng.choice(workers), trial.rng.choice([0.3, 4.0, 13.0])
    if isinstance(victim, RemoteWorker):
        victim.note_disturbance(duration_s)
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
    trial.undo_later(duration_s, resume)
    return True


def kill_master(trial: Trial) -> bool:
    """Kill the master; the run is resumed."""
    return _end_master(trial, lambda master: master.kill())


def interrupt_master(trial: Trial) -> bool:
    """Tell the master to end; the run is resumed."""
    return _end_master(trial, lambda master: master.terminate())


def close_terminal(trial: Trial) -> bool:
    """Close the terminal of the master; the run is resumed."""
    return _end_master(trial, lambda _: trial.close_terminal())


def _is_complete(checkpoint: Path) -> bool:
    try:
        read_checkpoint(checkpoint)
    except MapReduceError:
        return False
    return True


def kill_master_and_damage_checkpoint(trial: Trial) -> bool:
    """Kill the master and damage the newest checkpoint, if there is an older one that is complete."""
    if not kill_master(trial):
        return False
    checkpoints = trial.checkpoints
    if len(checkpoints) > 1 and _is_complete(checkpoints[1]):
        trial.rng.choice([_truncate, _flip])(trial, checkpoints[0])
    return True


def _end_master(trial: Trial, end: Callable[[psutil.Popen], None]) -> bool:
    if trial.master is None or trial.master.poll() is not None:
        return False
    trial.processes()  # all of them must be gone later
    trial.killed = True
    end(trial.master)
    trial.undo_due()
    trial.master.wait(60)
    return True


def remove_file(trial: Trial) -> bool:
    """Remove a file that a worker has written."""
    return _damage(trial, lambda trial, path: path.unlink())


def truncate_file(trial: Trial) -> bool:
    """Cut off the end of a file that a worker has written."""
    return _damage(trial, _truncate)


def corrupt_file(trial: Trial) -> bool:
    """Flip a bit of a file that a worker has written."""
    return _damage(trial, _flip)


def _damage(trial: Trial, damage: Callable[[Trial, Path], None]) -> bool:
    folders = [trial.folder / "data" / "mappers", trial.folder / "data" / "reducers"]
    folders += [worker.folder for worker in trial.remote_workers]
    files = [
        path
        for folder in folders
        for name in ("partition_*", "output.*", "map_output.*")
        for path in folder.rglob(name)
    ]
    if not files:
        return False
    try:
        damage(trial, trial.rng.choice(sorted(files)))
    except FileNotFoundError:  # the next stage of the run has begun
        return False
    return True


def fill_disk(trial: Trial) -> bool:
    """Fill the small disk for a while; the run may fail, and is resumed."""
    if not trial.surroundings.fill_disk():
        return False
    trial.disk_was_full = True
    trial.undo_later(trial.rng.choice([0.3, 3.0, 60.0]), trial.surroundings.free_disk)
    return True


def _truncate(trial: Trial, path: Path) -> None:
    os.truncate(path, int(path.stat().st_size * trial.rng.random()))


def _flip(trial: Trial, path: Path) -> None:
    with path.open("r+b") as file:
        content = file.read()
        if content:
            position = trial.rng.randrange(len(content))
            file.seek(position)
            file.write(bytes([content[position] ^ 1 << trial.rng.randrange(8)]))


def _network_fault(fault: Callable[[Trial], Fault]) -> Disturbance:
    """Return a disturbance: a fault of the connection from a worker to its master, or from others to it."""

    def disturb(trial: Trial) -> bool:
        duration_s = trial.rng.choice([0.5, 3.0, 13.0])
        for worker in _one_remote_worker(trial, duration_s):
            proxy = trial.rng.choice(worker.proxies)
            proxy.set_fault(fault(trial))
            trial.undo_later(duration_s, proxy.clear_fault)
        return bool(trial.remote_workers)

    return disturb


def reset_connections(trial: Trial) -> bool:
    """Reset a worker's connections."""
    for worker in _one_remote_worker(trial, 0.0):
        trial.rng.choice(worker.proxies).reset()
    return bool(trial.remote_workers)


def cut_off(trial: Trial) -> bool:
    """Block all that a worker sends, and all that is sent to it."""
    duration_s = trial.rng.choice([0.5, 5.0, 20.0])
    for worker in _one_remote_worker(trial, duration_s):
        for proxy in worker.proxies:
            proxy.set_fault(Fault(blocked=True))
            trial.undo_later(duration_s, proxy.clear_fault)
    return bool(trial.remote_workers)


def _one_remote_worker(trial: Trial, duration_s: float) -> list[RemoteWorker]:
    """Choose a remote worker to disturb for this long; none if there are none."""
    chosen = trial.rng.sample(trial.remote_workers, min(1, len(trial.remote_workers)))
    for worker in chosen:
        worker.note_disturbance(duration_s)
    return chosen


def _direction(trial: Trial) -> Direction:
    return trial.rng.choice([Direction.TO_TARGET, Direction.FROM_TARGET, Direction.BOTH])


DISTURBANCES: dict[str, Disturbance] = {
    "a worker killed": kill_worker,
    "several workers killed": kill_several,
    "all workers lost": lose_all_workers,
    "a worker stopped": stop_worker,
    "the master stopped": stop_master,
    "the master killed": kill_master,
    "the master interrupted": interrupt_master,
    "the master killed, its checkpoint damaged": kill_master_and_damage_checkpoint,
    "the terminal closed": close_terminal,
    "the disk full": fill_disk,
    "a file removed": remove_file,
    "a file truncated": truncate_file,
    "a file corrupted": corrupt_file,
    "connections reset": reset_connections,
    "a worker cut off": cut_off,
    "latency": _network_fault(
        lambda trial: Fault(_direction(trial), latency_s=trial.rng.choice([0.02, 0.2, 1.0]))
    ),
    "one direction blocked": _network_fault(
        lambda trial: Fault(trial.rng.choice([Direction.TO_TARGET, Direction.FROM_TARGET]), blocked=True)
    ),
    "connection cut": _network_fault(
        lambda trial: Fault(_direction(trial), cut_after=trial.rng.randrange(20_000))
    ),
    "trickle": _network_fault(
        lambda trial: Fault(_direction(trial), latency_s=0.01, piece_bytes=trial.rng.randint(1, 500))
    ),
    "bit flipped": _network_fault(lambda trial: Fault(_direction(trial), flip_at=trial.rng.randrange(5_000))),
}
