# Which Terraform, which providers, and where the state is kept.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.20, < 8.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }

  # The state holds the generated passwords: a bucket that few may read, named at `terraform init`.
  backend "gcs" {
    prefix = "shifts"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
