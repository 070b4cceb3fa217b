# Buckets for the landing zone and the logs of runs.

resource "google_storage_bucket" "landing" {
  name                        = "${var.project}-shifts-landing"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Replaced and removed files can be restored for a week, deleted ones included (docs/privacy.md).
  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 60 * 60
  }

  # Loaded files are read again only to rebuild a database.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age = 30
    }
  }

  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "ARCHIVE"
    }
    condition {
      age = 365
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }
}

resource "google_storage_bucket" "run_logs" {
  name                        = "${var.project}-shifts-run-logs"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  # As long as Dagster keeps runs.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 30
    }
  }
}
