"""The views while their broker is away: they answer on, say so, and take up where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.embedded import MissingPrerequisite, start_broker
from streams.settings import load_settings
from streams.topics import create_topics
from tests.integration.views_site import Worker, change, customer, serving


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_comes_back_is_read_on(tmp_path: Path) -> None:
    try:
        broker = start_broker("kafka", tmp_path / "broker")
    except MissingPrerequisite as missing:
        pytest.skip(str(missing))
    try:
        settings = load_settings(bootstrap_servers=broker.bootstrap_servers, prefix="views.")
        create_topics(settings)
        worker = Worker(settings)
        with serving(settings, tmp_path) as views:
            views.wait_ready()
            worker.write([customer("before", "new")], [change(1, None, "new")])
            views.eventually(lambda: views.client.flows().changes == 1 and views.client.segments().customers == 1)
            broker.kill()
            views.eventually(lambda: "no broker answers" in views.client.status().reason, 30)
            assert views.client.customer("before") == customer("before", "new")
            port = int(broker.bootstrap_servers.rpartition(":")[2])
            broker = start_broker("kafka", tmp_path / "broker", port=port)
            Worker(settings).write([customer("after", "new")], [change(2, None, "new")])
            views.eventually(lambda: views.client.flows().changes == 2 and views.client.segments().customers == 2, 60)
            views.eventually(lambda: not views.client.status().reason)
            assert views.terminate() == 0
            said = views.log.read_text()
            # Once when it goes, once when it comes, and aiokafka now and then: not ten lines a second.
            assert said.count("no Kafka broker answers") == 1
            assert said.count("a Kafka broker answers again") == 1
            assert len(said.splitlines()) < 40
    finally:
        broker.stop()
