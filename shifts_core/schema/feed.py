"""Tables of the feed in Dagster's database, in schema `shifts_feed`: the outbox of events and its history."""

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="shifts_feed")

events = Table(
    "events",
    metadata,
    Column("event_id", BigInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("run_id", Text),
    Column("task_ids", ARRAY(Text), nullable=False),
    Column("asset", Text),
    Column("partition", Text),
    Column("message", Text),
    Column("details", JSONB, nullable=False),
    Column("dedupe_key", Text),
)

incarnations = Table(
    "incarnations",
    metadata,
    Column("incarnation", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
)
