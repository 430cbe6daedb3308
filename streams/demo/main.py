"""`shoal demo`: sets everything up, feeds it, shows it or measures it, and takes it all down again."""

import io
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.live import Live

from models.definitions.segments import RULED
from streams.broker.confluent import KafkaBroker
from streams.demo.background import Once, Rounds
from streams.demo.finish import Finish, Positions
from streams.demo.input import Input
from streams.demo.keys import Keys
from streams.demo.stage import Plan, Stage
from streams.live.feeds import ChangeFeed, ManifestFeed
from streams.live.scrape import scrape
from streams.live.screen import render
from streams.live.state import Phase, Screen
from streams.live.watch import FLOW_OVER, Sources, Watch
from streams.live.words import duration
from streams.presets import load_definitions
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.demo.summary import Summary

_FRAME_SECONDS = 0.3
_ROUND_SECONDS = 0.6
_REPORT_SECONDS = 5.0
_CATCH_UP_SECONDS = 20.0
_PICTURE = (120, 42)
_EMBEDDED = "The embedded broker is for trying: after a crash it may show changes of aborted transactions."

# As people tell it; in the definitions they stand in the order in which the rules are tried.
_STORY = ("visitor", "new", "active", "cooling", "at_risk", "lapsed", "won_back")


@dataclass(frozen=True, slots=True)
class Options:
    """What a demo does. `picture`: file for the last frame, SVG. `headless`: no view, ends by itself when all is done."""

    plan: Plan
    input: Input = field(default_factory=Input)
    headless: bool = False
    picture: Path | None = None


def run_demo(settings: Settings, options: Options, console: Console) -> "Summary | None":
    """Runs a demo to its end, or until `q` or Ctrl-C; a headless one returns its figures.

    Raises ShoalError. Whatever happens, all processes are ended.
    """
    began = monotonic()
    summary = None

    def tell(said: str) -> None:
        console.print(said, style="grey58", highlight=False)

    with _ended_by_signals():
        stage = Stage(settings, options.plan, tell)
        try:
            with stage, ExitStack() as opened:
                performance = _Performance(stage, options, console, began, opened)
                if options.headless:
                    summary = performance.measure()
                else:
                    performance.show()
                tell("ending all processes")
        finally:
            tell(f"logs are in {stage.folder}")
    return summary


class _Performance:
    """A demo whose stage is set up; its input is being written from now on."""

    def __init__(self, stage: Stage, options: Options, console: Console, began: float, opened: ExitStack) -> None:
        self._stage, self._options, self._console, self._began = stage, options, console, began
        settings = self._settings = stage.settings
        broker = KafkaBroker(settings)
        self._manifests = ManifestFeed(broker.reader("demo-manifests"), settings.topic("models"))
        opened.callback(self._manifests.close)
        changes = opened.enter_context(
            ChangeFeed(broker.reader("demo-changes"), settings.topic("segment-changes"), from_beginning=True)
        )
        looker = broker.reader("demo-positions")
        opened.callback(looker.close)
        self._positions = Positions(settings, looker)
        opened.callback(self._positions.close)
        ticks = broker.reader("demo-ticks")
        opened.callback(ticks.close)
        self._finish = Finish(settings, self._positions, self._manifests, ticks)
        self._views_url = f"http://{settings.http_host}:{settings.http_port}"
        self._watch = Watch(Sources(stage.worker_ports, self._views_url, changes, self._manifests, self._lag, _order(settings)))
        self._fed_at = monotonic()
        self._feeding = Once(lambda: options.input.write(settings))
        self._done_after: float | None = None

    def measure(self) -> "Summary":
        """Without a view: waits until everything is done."""
        reported = monotonic()
        while not self._is_done():
            self._check()
            if monotonic() - reported > _REPORT_SECONDS:
                reported = monotonic()
                self._console.print(f"after {duration(self._elapsed())}: {self._progress()}", style="grey58", highlight=False)
            sleep(_FRAME_SECONDS)
        scrapes = [found for port in self._stage.worker_ports if (found := scrape(port)) is not None]
        if self._options.picture is not None:
            self._catch_up()
            self._draw(self._options.picture)
        assert self._done_after is not None
        # Not before: it loads the compiler of the kernel, and everybody waits for the first change.
        from streams.demo.summary import summarise

        return summarise(self._settings, self._done_after, scrapes, self._manifests.manifests())

    def show(self) -> None:
        """With the live view, until somebody ends it."""
        console = self._console
        with (
            Rounds(self._look, _ROUND_SECONDS) as rounds,
            Keys() as keys,
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            try:
                while True:
                    self._check()
                    rounds.check()
                    live.update(render(self._screen(), console.width, console.height), refresh=True)
                    if keys.wait(_FRAME_SECONDS) in ("q", "Q", "\x1b"):
                        break
            except KeyboardInterrupt:
                # Ctrl-C is the other way to say q.
                pass
        if self._options.picture is not None:
            self._draw(self._options.picture)
        for line in self._closing():
            console.print(line, highlight=False)

    def _catch_up(self) -> None:
        """Looks until the views have seen what the workers did; not for ever, a picture is no figure."""
        deadline = monotonic() + _CATCH_UP_SECONDS
        while not self._watch.views_are_current() and monotonic() < deadline:
            self._check()
            sleep(_FRAME_SECONDS)
        self._watch.look()

    def _look(self) -> None:
        """One round of the background: what is new, and whether that is all."""
        self._watch.look()
        self._is_done()

    def _lag(self) -> int:
        return self._positions.lag(self._finish.ends)

    def _is_done(self) -> bool:
        if self._done_after is None and self._feeding.result is not None and self._finish.reached():
            self._done_after = monotonic() - self._fed_at
        return self._done_after is not None

    def _check(self) -> None:
        self._stage.check()
        self._feeding.check()

    def _elapsed(self) -> float:
        return monotonic() - self._began

    def _progress(self) -> str:
        report = self._feeding.result
        if report is None:
            return f"writing {self._options.input.describe()}"
        behind = self._lag()
        return f"{report.events:,} events written, {behind:,} records to go" if behind else "waiting for the last models"

    def _screen(self) -> Screen:
        report = self._feeding.result
        traffic = self._watch.traffic(None if report is None else report.events)
        done = self._done_after is not None
        phase = Phase.DONE if done else Phase.RUNNING if traffic.events else Phase.STARTING
        broker = self._stage.broker
        return Screen(
            phase=phase,
            elapsed=self._elapsed() if self._done_after is None else self._done_after,
            traffic=traffic,
            segmentations=self._watch.segmentations(),
            flow_over=FLOW_OVER,
            changes=self._watch.changes(),
            models=self._watch.models(),
            input=self._options.input.describe(),
            broker=f"{broker.kind} broker" if broker is not None else self._settings.bootstrap_servers,
            advice=self._advice(done),
            warning=_EMBEDDED if broker is not None and broker.kind == "embedded" else "",
        )

    def _advice(self, done: bool) -> tuple[str, ...]:
        changes = self._watch.changes()
        someone = changes[0].customer_id if changes else "ID"
        look = f"{self._environment()}; shoal tail; shoal profile {someone}{self._views_option()}"
        return (f"q ends {'everything' if done else 'it'}.  In another terminal:  {look}",)

    def _environment(self) -> str:
        """What one types in another terminal, so that all commands find this run."""
        settings = self._settings
        prefix = "" if settings.prefix == Settings.model_fields["prefix"].default else f" SHOAL_PREFIX={settings.prefix}"
        return f"export SHOAL_BOOTSTRAP_SERVERS={settings.bootstrap_servers}{prefix}"

    def _views_option(self) -> str:
        return "" if self._settings.http_port == Settings.model_fields["http_port"].default else f" --views {self._views_url}"

    def _closing(self) -> Iterator[str]:
        traffic = self._watch.traffic(None)
        took = f"in {duration(self._done_after)}" if self._done_after is not None else "so far"
        yield (
            f"[bold]{traffic.events:,}[/bold] events of [bold]{traffic.customers:,}[/bold] customers {took}, "
            f"[bold]{traffic.changes:,}[/bold] changes of segment, each with its reasons"
        )
        for model in self._watch.models():
            if model.version is not None:
                score = "" if model.auc is None else f", AUC {model.auc:.3f} on {model.tested:,} customers it had not seen"
                yield f"  {model.family}: champion v{model.version} {model.note}{score}"
        if self._options.plan.keep:
            yield f"look at the changes with: {self._environment()}; shoal tail --from-beginning"
        yield "next: your own data with `shoal demo --file orders.csv`, or your own Kafka with --bootstrap-servers"

    def _draw(self, path: Path) -> None:
        width, height = _PICTURE
        paper = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
        paper.print(render(self._screen(), width, height), height=height)
        paper.save_svg(str(path), title="shoal demo")


def _order(settings: Settings) -> dict[str, tuple[str, ...]]:
    definitions = load_definitions(settings.definitions)
    order = {name: tuple(segment.key for segment in definitions.ruled(name).segments) for name in RULED}
    told = tuple(key for key in _STORY if key in order["lifecycle"])
    order["lifecycle"] = told + tuple(key for key in order["lifecycle"] if key not in told)
    return order


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end a demo as Ctrl-C does; once told so, it takes everything down undisturbed."""
    told: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        if not told:
            told.append(number)
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary_json(summary: "Summary") -> str:
    """The summary as it is written to a file."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n"
