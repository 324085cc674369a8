"""Traces over OTLP (HTTP, protobuf), where OTEL_EXPORTER_OTLP_ENDPOINT names a collector.

The packages are those of the extra `telemetry`, imported when the endpoint is set and not before.
The exporter reads OTEL_EXPORTER_OTLP_* and the sampler OTEL_TRACES_SAMPLER from the environment.
Spans hold templates and names of the program: no address, no query, no user, no text of an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from mltrading.utils import tracing
from mltrading.utils.context import current
from mltrading.utils.monitoring import outcome_of
from mltrading.utils.tracing import Attributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

SERVICE = "mltrading"
FAILURES = ("error", "outage")  # the outcomes that mark a span as failed
FAILED_STATUS = 500

log = logging.getLogger(__name__)


class Telemetry:
    """`begin` starts the exporter's thread: in each process, after the fork."""

    def __init__(self, version: str, environment: str, instance: str) -> None:
        self._resource = {
            "service.name": SERVICE,
            "service.version": version,
            "service.instance.id": instance,
            "deployment.environment.name": environment,
        }
        self._provider: TracerProvider | None = None

    def begin(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider(resource=Resource.create(self._resource))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        theirs = logging.getLogger("opentelemetry")
        theirs.handlers, theirs.propagate = [_Once()], False
        tracing.begin(_Spans(self._provider).open)

    def end(self) -> None:
        """Send what waits."""
        if self._provider is not None:
            self._provider.force_flush()


def installed() -> bool:
    """Whether the extra `telemetry` is there; says so where it is not."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and nothing is traced: %s; install the packages of"
            " requirements-telemetry.txt",
            error,
        )
        return False
    return True


class _Spans:
    """Opens spans for utils.tracing."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer(SERVICE)
        self._kinds = {"request": SpanKind.SERVER, "database": SpanKind.CLIENT}
        self._propagator = TraceContextTextMapPropagator()
        self._inside = SpanKind.INTERNAL

    @contextmanager
    def open(self, kind: str, name: str, attributes: dict[str, Attributes]) -> Iterator[None]:
        carrier = {key: str(value) for key, value in attributes.items() if key == "traceparent"}
        with self._tracer.start_as_current_span(
            name,
            context=self._propagator.extract(carrier) if carrier else None,
            kind=self._kinds.get(kind, self._inside),
            attributes={"db.system.name": "postgresql"} if kind == "database" else None,
            record_exception=False,  # its text may hold what was asked for
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                _mark(span, outcome_of(error), type(error).__name__)
                raise
            finally:
                if kind == "request":
                    _describe(span, name)
                elif kind == "callback":
                    work = current()
                    _mark(span, work.failure if work else "", "callback")


def _mark(span: Span, outcome: str, error: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    if outcome in FAILURES:
        span.set_status(Status(StatusCode.ERROR))
        span.set_attribute("error.type", error)


def _describe(span: Span, method: str) -> None:
    """What is known of a request once it is answered."""
    work = current()
    if work is None:
        return
    span.update_name(f"{method} {work.route}".strip())
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": work.route,
            "http.response.status_code": work.status or FAILED_STATUS,
            "mltrading.request_id": work.request_id,
        }
    )
    if (work.status or FAILED_STATUS) >= FAILED_STATUS:
        _mark(span, "error", str(work.status))


class _Once(logging.Handler):
    """An absent collector is told once, not every few seconds. (A filter would not do: those of a
    logger are not asked about what its children log.)"""

    def __init__(self) -> None:
        super().__init__()
        self._seen = count()

    def emit(self, record: logging.LogRecord) -> None:
        if next(self._seen) == 0:
            logging.getLogger().handle(record)
