# PostgreSQL with PostGIS, in the private network only. `shifts migrate` creates the two databases and the extension.

resource "random_id" "database" {
  # The name of a deleted instance stays reserved for a week.
  byte_length = 2
}

resource "google_sql_database_instance" "shifts" {
  name                = "shifts-${random_id.database.hex}"
  region              = var.region
  database_version    = "POSTGRES_16"
  deletion_protection = true

  settings {
    edition               = "ENTERPRISE"
    tier                  = var.database_tier
    availability_type     = var.highly_available ? "REGIONAL" : "ZONAL"
    disk_type             = "PD_SSD"
    disk_size             = var.database_disk_gb
    disk_autoresize       = true
    disk_autoresize_limit = 0

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.shifts.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "01:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    # In PostgreSQL's base units. Connections: the pool of each API pod, those of each run, and Dagster's own.
    dynamic "database_flags" {
      for_each = {
        max_connections  = "400"
        work_mem         = "32768"
        random_page_cost = "1.1"
        jit              = "off"
        wal_compression  = "on"
      }
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  depends_on = [google_service_networking_connection.database]
}

resource "random_password" "owner" {
  length  = 40
  special = false # part of URLs
}

# Owns both databases. The pipeline runs as this user, the API as the one that `deploy/sql/api_login.sql` creates.
resource "google_sql_user" "owner" {
  name     = "shifts"
  instance = google_sql_database_instance.shifts.name
  password = random_password.owner.result
}
