"""Trip files as columns: the rules of a row, CSV and Parquet readers, batches of valid trips and rejects."""
