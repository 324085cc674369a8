# What every environment has, decided without any cloud's provider: tested by `terraform test`.

terraform {
  required_version = ">= 1.7"
}

locals {
  defaults = {
    staging    = { processes = 1, size = "basic", database_plan = "essential-0", preboot = false, reviewers = 0 }
    production = { processes = 2, size = "standard-2x", database_plan = "standard-0", preboot = true, reviewers = 1 }
  }

  # A region of ours in each cloud's own words.
  clouds = {
    us = { heroku = "us", aws = "us-east-1" }
    eu = { heroku = "eu", aws = "eu-west-1" }
  }

  # What a plan of Heroku is about on AWS.
  database_classes = { essential = "db.t4g.micro", standard = "db.t4g.medium", premium = "db.m7g.large" }

  environments = {
    for name, one in var.environments : name => {
      stage         = one.stage
      regions       = one.regions
      processes     = coalesce(one.processes, local.defaults[one.stage].processes)
      size          = coalesce(one.size, local.defaults[one.stage].size)
      database_plan = one.database_of == null ? coalesce(one.database_plan, local.defaults[one.stage].database_plan) : null
      database_of   = one.database_of
      ssl_required  = one.ssl_required
      preboot       = one.preboot == null ? local.defaults[one.stage].preboot : one.preboot
      reviewers     = one.reviewers == null ? local.defaults[one.stage].reviewers : one.reviewers
    }
  }

  # One entry for each environment and region. The main region's name has no suffix.
  deployments = merge([
    for name, one in local.environments : {
      for index, region in one.regions : "${name}-${region}" => merge(one, {
        environment    = name
        region         = region
        main           = index == 0
        heroku_region  = local.clouds[region].heroku
        aws_region     = local.clouds[region].aws
        app            = "${var.name}-${name == "production" ? "prod" : name}${index == 0 ? "" : "-${region}"}"
        database       = "${coalesce(one.database_of, name)}-${region}"
        database_class = one.database_plan == null ? null : local.database_classes[split("-", one.database_plan)[0]]
        database_spare = one.database_plan == null ? false : !startswith(one.database_plan, "essential-")
      })
    }
  ]...)
}
