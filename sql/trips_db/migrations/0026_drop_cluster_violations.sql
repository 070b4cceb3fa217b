-- The pipeline checks clusters itself, beside the trips that it has read.

DROP FUNCTION IF EXISTS shifts_store.cluster_violations(integer[], date, double precision, integer);
