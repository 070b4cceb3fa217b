# Passwords and URLs in Secret Manager, as lines that `kubectl create secret --from-env-file` reads. Operators read them to
# install or upgrade; pods get them from Kubernetes.

resource "random_password" "api" {
  length  = 40
  special = false
}

resource "random_password" "api_key" {
  length  = 40
  special = false
}

locals {
  host   = google_sql_database_instance.shifts.private_ip_address
  owner  = "${google_sql_user.owner.name}:${random_password.owner.result}"
  web    = "shifts_web:${random_password.api.result}"
  server = "${local.host}:5432"

  secrets = {
    # For runs, the code server and migrations.
    shifts-pipeline = {
      SHIFTS_DATABASE_URL         = "postgresql://${local.owner}@${local.server}/shifts?sslmode=require"
      SHIFTS_DAGSTER_DATABASE_URL = "postgresql+psycopg2://${local.owner}@${local.server}/shifts_dagster?sslmode=require"
      SHIFTS_LANDING_URL          = google_storage_bucket.landing.url
    }
    shifts-api = {
      SHIFTS_DATABASE_URL         = "postgresql://${local.web}@${local.server}/shifts?sslmode=require"
      SHIFTS_DAGSTER_DATABASE_URL = "postgresql://${local.web}@${local.server}/shifts_dagster?sslmode=require"
      SHIFTS_LANDING_URL          = google_storage_bucket.landing.url
      SHIFTS_API_KEY              = random_password.api_key.result
    }
    # For psql, which creates the API's login after the migrations.
    shifts-api-login = {
      PGHOST                = local.host
      PGUSER                = google_sql_user.owner.name
      PGPASSWORD            = random_password.owner.result
      PGDATABASE            = "shifts"
      PGSSLMODE             = "require"
      API_DATABASE_PASSWORD = random_password.api.result
    }
    # The name that Dagster's chart expects.
    shifts-dagster = {
      postgresql-password = random_password.owner.result
    }
  }
}

resource "google_secret_manager_secret" "shifts" {
  for_each = local.secrets

  secret_id = each.key

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_version" "shifts" {
  for_each = local.secrets

  secret      = google_secret_manager_secret.shifts[each.key].id
  secret_data = join("\n", [for name, value in each.value : "${name}=${value}"])
}
