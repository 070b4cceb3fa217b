# Outputs that the commands in docs/gcp.md use.

output "registry" {
  description = "Registry of the images."
  value       = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.name}"
}

output "database_host" {
  description = "Private address of the database."
  value       = google_sql_database_instance.shifts.private_ip_address
}

output "landing" {
  description = "URL of the landing zone."
  value       = google_storage_bucket.landing.url
}

output "run_logs" {
  description = "Name of the bucket for logs of runs."
  value       = google_storage_bucket.run_logs.name
}

output "api_address" {
  description = "Address that the DNS name of the API must point to."
  value       = google_compute_global_address.api.address
}
