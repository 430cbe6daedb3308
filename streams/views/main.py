"""`shoal serve`: keeps the views and answers over HTTP until it is told to stop or cannot go on."""

from __future__ import annotations

import asyncio
import logging
import signal
from time import monotonic

from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from streams.errors import BrokerError, ShoalError
from streams.metrics import Metrics, MetricsServer
from streams.settings import Settings
from streams.views.app import ViewsApp
from streams.views.changelog import prepare_topics
from streams.views.errors import ViewsError
from streams.views.http import HttpServer
from streams.views.questions import Questions
from streams.views.seldom import Seldom

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
_LAST_WRITE_WITHIN = 3.0
_STOPPED_WITHIN = 5.0
_REPORT_EVERY = 1.0
_HEARD_EVERY = 30.0

log = logging.getLogger(__name__)


def main(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status.

    Raises SettingsError for a port that is taken, TopicError for topics that are missing or wrong, PoisonError for a
    record that cannot be used.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom("aiokafka", _HEARD_EVERY, monotonic))
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    questions = Questions(settings)
    metrics = Metrics(CollectorRegistry())
    scraped = MetricsServer(metrics.registry, settings.metrics_host, settings.metrics_port, questions.readiness)
    server = HttpServer(settings, questions)
    try:
        await server.start()
        log.info("serving at %s", server.url)
        if await _topics_ready(settings, questions, stop):
            await _run(settings, questions, metrics, stop)
    finally:
        await server.close()
        scraped.close()
    return 0


async def _topics_ready(settings: Settings, questions: Questions, stop: asyncio.Event) -> bool:
    """Waits for a broker, longer each time; False when told to stop meanwhile."""
    wait = _FIRST_WAIT
    while not stop.is_set():
        try:
            await asyncio.to_thread(prepare_topics, settings)
        except BrokerError as error:
            questions.waits_for(str(error))
            log.warning("%s; trying again in %.1f s", error, wait)
            await _sleep(stop, wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        else:
            return True
    return False


async def _run(settings: Settings, questions: Questions, metrics: Metrics, stop: asyncio.Event) -> None:
    app = ViewsApp(settings)
    questions.follow(app)
    stopped = asyncio.create_task(_until(stop))
    running = asyncio.create_task(_start_and_run(app))
    reporting = asyncio.create_task(_report(app, metrics))
    try:
        await asyncio.wait([stopped, running, app.failed], return_when=asyncio.FIRST_COMPLETED)
        _raise_failure(app)
        if running.done():
            await running
        if app.ready_after is not None:
            await _store_once_more(app)
    finally:
        for task in (stopped, running, reporting):
            task.cancel()
        await _stop(app)


async def _store_once_more(app: ViewsApp) -> None:
    """So that the next start has less to read again."""
    try:
        await asyncio.wait_for(app.store_flows(), _LAST_WRITE_WITHIN)
    except (TimeoutError, KafkaError) as error:
        log.warning("the newest flows could not be stored, the next start counts them again: %s", error or "no answer")


async def _stop(app: ViewsApp) -> None:
    """Stops in good order, unless that takes too long: without a broker Faust waits for it to take what is unsent."""
    try:
        await asyncio.wait_for(app.stop(), _STOPPED_WITHIN)
    except TimeoutError:
        log.warning("not stopped in good order within %.0f s; nothing is lost by it", _STOPPED_WITHIN)


async def _start_and_run(app: ViewsApp) -> None:
    """Returns when the app has stopped; raises what keeps it from starting."""
    try:
        await app.start()
    except KafkaError as error:
        raise BrokerError(f"the broker was lost while the views started: {error}; start them again") from error
    await app.wait_until_stopped()


async def _report(app: ViewsApp, metrics: Metrics) -> None:
    """Keeps the metrics current."""
    while True:
        metrics.customers.set(len(app.memberships))
        metrics.restore_progress_ratio.set(app.progress())
        await asyncio.sleep(_REPORT_EVERY)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


def _raise_failure(app: ViewsApp) -> None:
    """Raises what ended the app, if anything did."""
    cause = app.failed.exception() if app.failed.done() else app.crash_reason
    if isinstance(cause, ShoalError):
        raise cause
    if cause is not None:
        raise ViewsError(f"the views cannot go on: {cause!r}; start them again, they rebuild themselves") from cause


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
