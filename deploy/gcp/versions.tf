# Versions of Terraform and its providers, and the backend of the state.

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

  # The state contains the generated passwords: restrict access to its bucket, which `terraform init` names.
  backend "gcs" {
    prefix = "shifts"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
