"""A process that sends alerts and is killed at a chosen point: `python -m … URL SMTP-PORT NOW POINT`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime

from db.engine import make_engine
from enrichment.client import PortalClient
from functions import build
from functions.mail import SmtpMailer
from functions.resources import Resources
from ocds.client import OcdsClient
from tests.functions.alerts.conftest import post_to
from tests.functions.alerts.crashing import Points, watched
from tests.functions.conftest import Clock
from tests.functions.driver import CollectingClient, Driver


def main(url: str, port: str, now: str, point: str) -> None:
    """Run send-alerts once; at the point, end as by `kill -9`."""
    engine = make_engine(url)
    resources = Resources(
        engine=engine,
        ocds=OcdsClient("http://127.0.0.1:9"),
        portal=PortalClient("http://127.0.0.1:9"),
        clock=Clock(now=datetime.fromisoformat(now)),
        post=post_to(SmtpMailer(host="127.0.0.1", port=int(port), timeout=10)),
    )
    client = CollectingClient()
    with watched(engine, Points(lambda: os.kill(os.getpid(), signal.SIGKILL), at=int(point))) as points:
        Driver(client, build(client, resources)).run("send-alerts", "tender/alerts.requested")
    print(points.passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
