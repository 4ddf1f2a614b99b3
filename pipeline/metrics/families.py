"""Families of prometheus-client from plain values."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from pipeline.counters import Distribution, Labels

__all__ = ["counter", "gauge", "gauge_of_one", "histogram", "number"]


def number(name: str, about: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(name, about, value=value)


def gauge(name: str, about: str, labels: Labels, values: Mapping[Labels, float]) -> GaugeMetricFamily:
    """A gauge, with its values by labels."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def gauge_of_one(name: str, about: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A gauge with one label."""
    return gauge(name, about, (label,), {(key,): value for key, value in values.items()})


def counter(name: str, about: str, labels: Labels, values: Mapping[Labels, float]) -> CounterMetricFamily:
    """A counter, with its values by labels; `_total` is added to its name."""
    family = CounterMetricFamily(name, about, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def histogram(name: str, about: str, labels: Labels, values: Mapping[Labels, Distribution]) -> HistogramMetricFamily:
    """A histogram in seconds, with its distributions by labels."""
    family = HistogramMetricFamily(name, about, labels=labels)
    for key, found in sorted(values.items()):
        family.add_metric(key, list(zip(found.bounds, found.counts, strict=True)), found.sum)
    return family
