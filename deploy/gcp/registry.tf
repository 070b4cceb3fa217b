# The registry of the two images.

resource "google_artifact_registry_repository" "images" {
  repository_id = "shifts"
  location      = var.region
  format        = "DOCKER"
  description   = "Images shifts-pipeline and shifts-api."

  docker_config {
    immutable_tags = true # a tag always identifies the same code
  }

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "7776000s"
    }
  }

  depends_on = [google_project_service.needed]
}
