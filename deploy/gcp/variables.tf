# Settings of an installation.

variable "project" {
  description = "Id of an existing project with billing."
  type        = string
}

variable "region" {
  description = "Region of all resources."
  type        = string
  default     = "europe-west3"
}

variable "operators" {
  description = "Networks from which kubectl may reach the cluster, in CIDR form."
  type        = list(string)

  validation {
    condition     = length(var.operators) > 0 && alltrue([for range in var.operators : can(cidrnetmask(range))])
    error_message = "At least one network in CIDR form, such as 203.0.113.7/32."
  }
}

variable "database_tier" {
  description = "Cloud SQL machine: db-custom-<cores>-<MiB>."
  type        = string
  default     = "db-custom-4-16384"
}

variable "database_disk_gb" {
  description = "Initial size of the disk, which grows automatically."
  type        = number
  default     = 100
}

variable "highly_available" {
  description = "Whether a second zone takes over if the zone of the database fails; doubles its price."
  type        = bool
  default     = true
}
