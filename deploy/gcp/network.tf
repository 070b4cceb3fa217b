# A private network: nodes and the database have no public address; outgoing traffic uses the NAT.

locals {
  # deploy/k8s/network-policies.yaml contains the database's range, too.
  ranges = {
    nodes    = "10.10.0.0/20"
    pods     = "10.20.0.0/16"
    services = "10.30.0.0/20"
    database = "10.40.0.0/20"
  }
}

resource "google_compute_network" "shifts" {
  name                    = "shifts"
  auto_create_subnetworks = false

  depends_on = [google_project_service.needed]
}

resource "google_compute_subnetwork" "shifts" {
  name                     = "shifts"
  network                  = google_compute_network.shifts.id
  region                   = var.region
  ip_cidr_range            = local.ranges.nodes
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = local.ranges.pods
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = local.ranges.services
  }
}

resource "google_compute_router" "shifts" {
  name    = "shifts"
  network = google_compute_network.shifts.id
  region  = var.region
}

# For images from other registries.
resource "google_compute_router_nat" "shifts" {
  name                               = "shifts"
  router                             = google_compute_router.shifts.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_global_address" "database" {
  name          = "shifts-database"
  network       = google_compute_network.shifts.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = split("/", local.ranges.database)[0]
  prefix_length = tonumber(split("/", local.ranges.database)[1])
}

resource "google_service_networking_connection" "database" {
  network                 = google_compute_network.shifts.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database.name]
}

# The API's address. Google issues the certificate after its DNS name points here.
resource "google_compute_global_address" "api" {
  name = "shifts-api"

  depends_on = [google_project_service.needed]
}
