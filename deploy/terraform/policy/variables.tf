variable "name" {
  description = "What the names of everything begin with."
  type        = string
  default     = "mltrading"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "The name is 2 to 20 of a-z, 0-9 and -, the first a letter."
  }
}

variable "environments" {
  description = <<-EOT
    Each environment: its stage, the regions it runs in (the first one is its main region), and what
    differs from what its stage has by default. `database_of` shares another's databases, region by
    region, and has none itself.
  EOT

  nullable = false

  type = map(object({
    stage         = string
    regions       = list(string)
    processes     = optional(number)
    size          = optional(string)
    database_plan = optional(string)
    database_of   = optional(string)
    ssl_required  = optional(bool, true)
    preboot       = optional(bool)
    reviewers     = optional(number)
  }))

  default = {
    staging    = { stage = "staging", regions = ["us"] }
    green      = { stage = "production", regions = ["us"], database_of = "production" }
    production = { stage = "production", regions = ["us"] }
  }

  validation {
    condition     = alltrue([for one in var.environments : contains(["staging", "production"], one.stage)])
    error_message = "A stage is staging or production."
  }

  validation {
    condition     = alltrue([for one in var.environments : length(one.regions) > 0])
    error_message = "An environment runs in at least one region."
  }

  validation {
    condition     = alltrue([for one in var.environments : length(one.regions) == length(distinct(one.regions))])
    error_message = "An environment names the same region twice."
  }

  validation {
    condition     = alltrue([for region in flatten([for one in var.environments : one.regions]) : contains(["us", "eu"], region)])
    error_message = "A region is us or eu."
  }

  validation {
    condition     = alltrue([for one in var.environments : one.ssl_required])
    error_message = "Databases are reached over the internet: ssl_required can not be off."
  }

  validation {
    condition = alltrue([
      for one in var.environments : one.stage != "production" || coalesce(one.processes, 2) >= 2
    ])
    error_message = "Production runs at least two web processes: with one, a restart is an outage."
  }

  validation {
    condition = alltrue([
      for one in var.environments : one.stage != "production" || coalesce(one.reviewers, 1) >= 1
    ])
    error_message = "A deployment to production is approved by at least one person."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.stage != "production" || !startswith(coalesce(one.database_plan, "standard-0"), "essential-")
    ])
    error_message = "A database of plan essential can not be followed or rolled back: production has standard or premium."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.database_plan == null || can(regex("^(essential-[0-2]|(standard|premium)-[0-9])$", one.database_plan))
    ])
    error_message = "A database plan is essential-0 to 2, standard-0 to 9 or premium-0 to 9."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      contains(["basic", "standard-1x", "standard-2x", "performance-m", "performance-l"], coalesce(one.size, "basic"))
    ])
    error_message = "A size is basic, standard-1x, standard-2x, performance-m or performance-l."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.preboot != true || coalesce(one.size, one.stage == "production" ? "standard-2x" : "basic") != "basic"
    ])
    error_message = "Processes of size basic can not be started before the old ones end (preboot)."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.size != "basic" || coalesce(one.processes, one.stage == "production" ? 2 : 1) == 1
    ])
    error_message = "Size basic runs one process of a type."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.database_of == null ? true : alltrue([
        for region in one.regions : contains(try(var.environments[one.database_of].regions, []), region)
      ])
    ])
    error_message = "database_of names an environment that runs in the same regions."
  }

  validation {
    condition = alltrue([
      for one in var.environments :
      one.database_of == null ? true : try(var.environments[one.database_of].database_of, "none") == null
    ])
    error_message = "database_of names an environment that has databases itself."
  }
}
