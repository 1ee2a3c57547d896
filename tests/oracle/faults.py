"""What goes wrong while the mailboxes change. Every fault ends by itself or by World.revive."""
from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from world import World


@dataclass
class Faults:
    world: World
    rng: random.Random
    counts: dict[str, int] = field(default_factory=dict)
    paused: list[tuple[float, object]] = field(default_factory=list)  # (when it goes on, process)

    def strike(self) -> str:
        name = self.rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        did = KINDS[name][1](self)
        self.counts[name] = self.counts.get(name, 0) + 1
        return f"{name} {did or ''}".rstrip()

    def tick(self) -> None:
        """Lets paused processes go on whose time has come, and brings back what was killed a while ago."""
        now = time.monotonic()
        for at, process in list(self.paused):
            if now >= at:
                self.paused.remove((at, process))
                process.child.send_signal(signal.SIGCONT)

    def end(self) -> None:
        for _, process in self.paused:
            process.child.send_signal(signal.SIGCONT)
        self.paused.clear()
        self.world.revive()

    def _alive(self) -> None:
        """What an earlier fault killed comes back before the next is killed."""
        w = self.world
        if not w.redis.process.running():
            w.redis.start()
        if not w.daemon.process.running():
            w.daemon.launch()

    def _pause(self, process, seconds: float) -> str:
        self._alive()
        if all(p is not process for _, p in self.paused):
            process.child.send_signal(signal.SIGSTOP)
            self.paused.append((time.monotonic() + seconds, process))
        return f"for {seconds:.1f} s"

    # --- the daemon and Redis ---

    def kill_daemon(self) -> str:
        self._alive()
        self.world.daemon.kill()
        self._forget_paused(self.world.daemon.process)
        if self.rng.random() < 0.7:
            self.world.daemon.launch()
            return "and start it"
        return "and leave it dead"

    def stop_daemon(self) -> None:
        self._alive()
        self.tick_all()
        self.world.daemon.wait_healthy()  # before, nothing listens for the signal yet
        status = self.world.daemon.stop()
        assert status == 0, f"the daemon ended with {status}"
        self.world.daemon.launch()

    def kill_redis(self) -> str:
        self._alive()
        self.world.redis.kill()
        self._forget_paused(self.world.redis.process)
        if self.rng.random() < 0.6:
            self.world.redis.start()
            return "and start it"
        return "and leave it dead"

    def pause_daemon(self) -> str:
        return self._pause(self.world.daemon.process, self.rng.uniform(0.2, 2))

    def pause_redis(self) -> str:
        return self._pause(self.world.redis.process, self.rng.uniform(0.2, 2))

    def _forget_paused(self, process) -> None:
        self.paused = [(at, p) for at, p in self.paused if p is not process]

    def tick_all(self) -> None:
        for _, process in self.paused:
            process.child.send_signal(signal.SIGCONT)
        self.paused.clear()

    # --- connections to the mail server ---

    def cut(self) -> None:
        self.world.proxy.cut(hard=self.rng.random() < 0.5)

    def cut_after(self) -> str:
        self.world.proxy.cut_after = self.rng.choice((1, 7, 50, 300, 2000, 20000))
        return f"{self.world.proxy.cut_after} bytes"

    def stall(self) -> str:
        return self._until("stall_until", 0.1, 2)

    def chop(self) -> str:
        return self._until("chop_until", 0.5, 3)

    def refuse(self) -> str:
        said = self._until("refuse_until", 0.2, 1.5)
        self.world.proxy.cut()
        return said

    def _until(self, name: str, low: float, high: float) -> str:
        seconds = self.rng.uniform(low, high)
        setattr(self.world.proxy, name, time.monotonic() + seconds)
        return f"for {seconds:.1f} s"

    # --- the consumer ---

    def consumer_fails(self) -> str:
        end = time.monotonic() + self.rng.uniform(0.2, 2)
        status = self.rng.choice((500, 503, 429, None))
        self.world.consumer.answer = lambda delivery: status if time.monotonic() < end else 200
        return f"with {status}"

    def consumer_slow(self) -> None:
        self.world.consumer.delay = self.rng.choice((0.02, 0.1))


KINDS: dict[str, tuple[int, Callable[[Faults], str | None]]] = {
    "kill_daemon": (6, Faults.kill_daemon), "stop_daemon": (1, Faults.stop_daemon), "kill_redis": (3, Faults.kill_redis),
    "pause_daemon": (1, Faults.pause_daemon), "pause_redis": (1, Faults.pause_redis), "cut": (4, Faults.cut),
    "cut_after": (4, Faults.cut_after), "stall": (2, Faults.stall), "chop": (3, Faults.chop), "refuse": (1, Faults.refuse),
    "consumer_fails": (2, Faults.consumer_fails), "consumer_slow": (1, Faults.consumer_slow),
}
