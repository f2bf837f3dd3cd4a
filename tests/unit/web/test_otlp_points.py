"""What Prometheus reads of a run is what a collector of OpenTelemetry gets: names, labels, counts."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from master.web.metrics.otlp.points import metrics_of

PAGE = """\
# TYPE piswarm_users gauge
piswarm_users 7.0
# TYPE piswarm_requests_total counter
piswarm_requests_total{method="GET",name="/a"} 10.0
# TYPE piswarm_latency_seconds histogram
piswarm_latency_seconds_bucket{le="0.001",method="GET",name="/a"} 1.0
piswarm_latency_seconds_bucket{le="0.01",method="GET",name="/a"} 4.0
piswarm_latency_seconds_bucket{le="+Inf",method="GET",name="/a"} 5.0
piswarm_latency_seconds_count{method="GET",name="/a"} 5.0
piswarm_latency_seconds_sum{method="GET",name="/a"} 0.5
# TYPE piswarm_nodes gauge
"""


def test_each_kind_of_family_becomes_what_opentelemetry_has_for_it() -> None:
    """A gauge stays one, a counter is a cumulative sum, and a histogram counts between bounds; a family without samples is left out."""
    found = {metric.name: metric for metric in metrics_of(text_string_to_metric_families(PAGE), 100, 200)}
    assert list(found) == ["piswarm_users", "piswarm_requests", "piswarm_latency_seconds"]
    (users,) = found["piswarm_users"].data.data_points
    assert (users.value, users.time_unix_nano) == (7, 200)
    requests = found["piswarm_requests"].data
    assert (requests.is_monotonic, requests.aggregation_temporality.name) == (True, "CUMULATIVE")
    assert [(dict(point.attributes), point.value) for point in requests.data_points] == [
        ({"method": "GET", "name": "/a"}, 10)
    ]
    (latency,) = found["piswarm_latency_seconds"].data.data_points
    assert dict(latency.attributes) == {"method": "GET", "name": "/a"}
    assert (latency.count, latency.sum, latency.start_time_unix_nano) == (5, 0.5, 100)
    assert (latency.bucket_counts, latency.explicit_bounds) == ([1, 3, 1], [0.001, 0.01])
