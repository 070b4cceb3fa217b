# What the commands in docs/gcp.md ask for.

output "registry" {
  description = "Where the images are pushed to."
  value       = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.name}"
}

output "database_host" {
  description = "The database's private address."
  value       = google_sql_database_instance.shifts.private_ip_address
}

output "landing" {
  description = "Where files are dropped."
  value       = google_storage_bucket.landing.url
}

output "run_logs" {
  description = "Name of the bucket of the runs' logs."
  value       = google_storage_bucket.run_logs.name
}

output "api_address" {
  description = "What the API's DNS name has to point to."
  value       = google_compute_global_address.api.address
}
