"""Metadata of a refreshed pair of `trip_clusters` in the Dagster UI: figures, the largest clusters, and a plot."""

import dagster as dg

from shifts_pipeline.assets import plots
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.cluster_tables import PairClusters, clock

_FLOWS_PLOTTED = 60
_CLUSTERS_LISTED = 10


def title(pair: PairClusters) -> str:
    """Return region, week and number of clusters."""
    return f"{printable(pair.trips.region)} {pair.trips.week:%G-W%V}: {len(pair.clusters):,} clusters"


def figures(pair: PairClusters, seconds: float) -> dict[str, dg.MetadataValue]:
    """Return numbers of clusters and trips, radii, and the largest clusters as a table."""
    clusters, trips = pair.clusters, len(pair.trips.trip_ids)
    clustered = int(clusters["trips"].sum())
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(len(clusters)),
        "trips": dg.MetadataValue.int(trips),
        "trips_clustered": dg.MetadataValue.int(clustered),
        "share_clustered": dg.MetadataValue.float(round(clustered / max(trips, 1), 4)),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }
    if len(clusters):
        radii = clusters["radius_m"].quantile([0.5, 0.95, 1.0]).round(1)
        metadata |= {
            f"radius_m_{name}": dg.MetadataValue.float(radius)
            for name, radius in zip(("median", "p95", "max"), radii.tolist(), strict=True)
        }
        metadata["largest_clusters"] = _largest_clusters(pair)
    return metadata


def _largest_clusters(pair: PairClusters) -> dg.TableMetadataValue:
    table = pair.clusters.head(_CLUSTERS_LISTED).round({"radius_m": 1, "share_of_bin": 4})
    for column in ("typical", "earliest", "latest"):
        table[column] = [f"{clock(seconds):%H:%M}" for seconds in table[f"{column}_s"]]
    for end in ("origin", "destination"):
        table[end] = (
            table[f"{end}_lat"].map("{:.5f}".format) + ", " + table[f"{end}_lon"].map("{:.5f}".format)
        )
    columns = ["trips", "typical", "earliest", "latest", "radius_m", "share_of_bin", "origin", "destination"]
    return dg.MetadataValue.table(
        [
            dg.TableRecord({str(name): cell for name, cell in record.items()})
            for record in table[columns].to_dict("records")
        ]
    )


def strongest_flows(pair: PairClusters) -> dict[str, dg.MetadataValue]:
    """Return a plot of the largest clusters as arrows on a map."""
    strongest = pair.clusters.head(_FLOWS_PLOTTED)
    centroids = strongest[["origin_lon", "origin_lat", "destination_lon", "destination_lat"]].to_numpy()
    plot = plots.flows_map(centroids, strongest["trips"].to_numpy(), f"{title(pair)}, strongest flows")
    return {"strongest_flows": plot}
