# Rights. Pods have no keys: workload identity identifies their Kubernetes service account, which gets rights for each
# bucket.

locals {
  accounts = join("", [
    "principal://iam.googleapis.com/projects/${data.google_project.this.number}",
    "/locations/global/workloadIdentityPools/${google_container_cluster.shifts.workload_identity_config[0].workload_pool}",
  ])
  # For every pod of Dagster's chart, including runs.
  dagster = "${local.accounts}/subject/ns/shifts/sa/dagster"
  api     = "${local.accounts}/subject/ns/shifts/sa/shifts-api"
}

# It reads files, and removes those that are deleted or have expired.
resource "google_storage_bucket_iam_member" "dagster_uses_landing" {
  bucket = google_storage_bucket.landing.name
  role   = "roles/storage.objectUser"
  member = local.dagster
}

resource "google_storage_bucket_iam_member" "dagster_writes_run_logs" {
  bucket = google_storage_bucket.run_logs.name
  role   = "roles/storage.objectUser"
  member = local.dagster
}

# An upload may replace an older file of the same name.
resource "google_storage_bucket_iam_member" "api_writes_landing" {
  bucket = google_storage_bucket.landing.name
  role   = "roles/storage.objectUser"
  member = local.api
}

# For suppliers of files: may add files, but neither read nor replace any.
resource "google_service_account" "uploader" {
  account_id   = "shifts-uploader"
  display_name = "Brings trip files to the landing zone"
}

resource "google_storage_bucket_iam_member" "uploader_adds" {
  bucket = google_storage_bucket.landing.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.uploader.member
}

# The account of nodes, instead of the project's default account, which may edit everything.
resource "google_service_account" "nodes" {
  account_id   = "shifts-nodes"
  display_name = "Nodes of the cluster shifts"

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes_pull" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}
