# GKE Autopilot adds and removes nodes with the pods, so that only running pods are paid for. It enforces network policies,
# and workload identity gives pods the rights of their Kubernetes service account.

resource "google_container_cluster" "shifts" {
  name                = "shifts"
  location            = var.region
  enable_autopilot    = true
  network             = google_compute_network.shifts.id
  subnetwork          = google_compute_subnetwork.shifts.id
  deletion_protection = true

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.operators
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.nodes.email
      oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    }
  }

  release_channel {
    channel = "REGULAR"
  }

  depends_on = [google_project_iam_member.nodes, google_compute_router_nat.shifts]
}
